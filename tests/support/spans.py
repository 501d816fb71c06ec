"""Spans in memory: one exporter for the whole test process, because OpenTelemetry's provider is the process's."""

from functools import cache

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from prunella_operator.observability.exporting import Tracing

EXPORTER = InMemorySpanExporter()


@cache
def traces() -> Tracing:
    """Keep spans in memory."""
    return Tracing("prunella-test", EXPORTER)


def tree() -> list[str]:
    """All finished spans, each below its parent and indented, in the order of their starts."""
    spans = sorted(EXPORTER.get_finished_spans(), key=lambda span: span.start_time)
    known = {span.context.span_id for span in spans}

    def below(parent: int | None, depth: int) -> list[str]:
        found = [span for span in spans if _parent(span, known) == parent]
        return [line for item in found for line in ("  " * depth + item.name, *below(item.context.span_id, depth + 1))]

    return below(None, 0)


def _parent(span, known):
    return span.parent.span_id if span.parent is not None and span.parent.span_id in known else None


def orphans() -> list[str]:
    """Spans whose parent was not exported."""
    spans = EXPORTER.get_finished_spans()
    known = {span.context.span_id for span in spans}
    return [span.name for span in spans if span.parent is not None and span.parent.span_id not in known]


def named(name: str) -> list:
    """The finished spans of a name."""
    return [span for span in EXPORTER.get_finished_spans() if span.name == name]
