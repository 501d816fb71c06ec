"""Tracing: spans by OpenTelemetry, sent by OTLP over gRPC when an endpoint is configured, else nothing at no cost.

The standard variables hold: what turns it on is in `sending`, and OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER and
OTEL_BSP_* are obeyed. Where spans go is in `exporting`, which alone imports the SDK.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from prunella_workflows.redact import redact
from prunella_workflows.tracing import TraceContext

NAME = "prunella"
_ERROR = 400


def nanoseconds(moment: datetime) -> int:
    """A moment as OpenTelemetry counts it."""
    return int(moment.timestamp() * 1e9)


def span_context(context: TraceContext) -> SpanContext:
    """Ours as OpenTelemetry's."""
    flags = TraceFlags(int(context.flags, 16))
    return SpanContext(int(context.trace_id, 16), int(context.span_id, 16), is_remote=True, trace_flags=flags)


def current() -> TraceContext | None:
    """The span that is under way in this task or thread, if it belongs to a trace."""
    found = trace.get_current_span().get_span_context()
    if not found.is_valid:
        return None
    return TraceContext(f"{found.trace_id:032x}", f"{found.span_id:016x}", f"{found.trace_flags:02x}")


def exemplar() -> dict[str, str] | None:
    """What leads from a measured value to the trace that is under way, where it is recorded."""
    found = trace.get_current_span().get_span_context()
    return {"trace_id": f"{found.trace_id:032x}"} if found.is_valid and found.trace_flags.sampled else None


@contextmanager
def span(
    name: str,
    attributes: Mapping[str, str | int],
    *,
    parent: TraceContext | None = None,
    kind: SpanKind = SpanKind.INTERNAL,
    started: datetime | None = None,
) -> Iterator[trace.Span]:
    """A span around a block; what the block raises is recorded, with secrets taken out of its words.

    Without a parent it is a child of the span that is under way, or the first one of a trace.
    """
    with trace.get_tracer(NAME).start_as_current_span(
        name,
        context=trace.set_span_in_context(NonRecordingSpan(span_context(parent))) if parent else None,
        kind=kind,
        attributes=dict(attributes),
        start_time=nanoseconds(started) if started else None,
        record_exception=False,
        set_status_on_exception=False,
    ) as made:
        try:
            yield made
        except Exception as error:
            failed(made, error)
            raise
        made.set_status(Status(StatusCode.OK))


def failed(made: trace.Span, error: BaseException) -> None:
    """Record an error, with secrets taken out of its words (and without its traceback, which may hold values)."""
    kind, words = type(error).__name__, redact(str(error))
    made.add_event("exception", {"exception.type": kind, "exception.message": words})
    made.set_status(Status(StatusCode.ERROR, f"{kind}: {words}"))


@contextmanager
def call(system: str, method: str, path: str) -> Iterator[trace.Span | None]:
    """The span of one request to another system, where it is part of a trace; None, at no cost, where it is not."""
    if current() is None:
        yield None
        return
    attributes = {"http.request.method": method, "url.path": path}
    with trace.get_tracer(NAME).start_as_current_span(
        f"{system} {method}",
        kind=SpanKind.CLIENT,
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as made:
        try:
            yield made
        except Exception as error:
            failed(made, error)
            raise


def answered(made: trace.Span | None, status: int) -> None:
    """Note the answer of a request."""
    if made is None:
        return
    made.set_attribute("http.response.status_code", status)
    if status >= _ERROR:
        made.set_status(Status(StatusCode.ERROR, f"HTTP {status}"))


def outgoing() -> dict[str, str]:
    """The header that tells the other side of a request whose child it is."""
    context = current()
    return {"traceparent": str(context)} if context else {}
