"""Spans in memory: one exporter for the whole test process, because OpenTelemetry's provider is the process's."""

from functools import cache

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from prunella_operator.observability.exporting import Tracing

EXPORTER = InMemorySpanExporter()


@cache
def traces() -> Tracing:
    """Tracing into memory."""
    return Tracing("prunella-test", EXPORTER)


def tree() -> list[str]:
    """All finished spans, each below its parent and indented, in the order of their starts."""
    spans = sorted(EXPORTER.get_finished_spans(), key=lambda one: one.start_time)
    known = {one.context.span_id for one in spans}

    def below(parent: int | None, depth: int) -> list[str]:
        found = [one for one in spans if _parent(one, known) == parent]
        return [line for one in found for line in ("  " * depth + one.name, *below(one.context.span_id, depth + 1))]

    return below(None, 0)


def _parent(span, known):
    return span.parent.span_id if span.parent is not None and span.parent.span_id in known else None


def orphans() -> list[str]:
    """Spans that name a parent which nobody exported."""
    spans = EXPORTER.get_finished_spans()
    known = {one.context.span_id for one in spans}
    return [one.name for one in spans if one.parent is not None and one.parent.span_id not in known]


def named(name: str) -> list:
    """The finished spans of a name."""
    return [one for one in EXPORTER.get_finished_spans() if one.name == name]
