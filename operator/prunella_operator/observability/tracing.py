"""Tracing: spans by OpenTelemetry, sent by OTLP over gRPC when an endpoint is configured, else nothing at no cost.

The standard variables apply: `sending` decides whether it is on, and OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER and
OTEL_BSP_* are honoured. Only `exporting` imports the SDK.
"""

import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Protocol, Self

from opentelemetry import context, trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from prunella_workflows.model.redaction import redact
from prunella_workflows.model.trace_context import TraceContext

NAME = "prunella"
_ERROR = 400

_tracer = trace.get_tracer(NAME)  # the provider's, once there is one


def nanoseconds(moment: datetime) -> int:
    """A moment in nanoseconds, as OpenTelemetry expects it."""
    return int(moment.timestamp() * 1e9)


def span_context(context: TraceContext) -> SpanContext:
    """Convert our trace context to OpenTelemetry's."""
    flags = TraceFlags(int(context.flags, 16))
    return SpanContext(int(context.trace_id, 16), int(context.span_id, 16), is_remote=True, trace_flags=flags)


def current() -> TraceContext | None:
    """The context of the current span of this task or thread, if it belongs to a trace."""
    found = trace.get_current_span().get_span_context()
    if not found.is_valid:
        return None
    return TraceContext(f"{found.trace_id:032x}", f"{found.span_id:016x}", f"{found.trace_flags:02x}")


def exemplar() -> dict[str, str] | None:
    """The exemplar that links a measured value to the current trace, if that is recorded."""
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
    """A span around a block; an error of the block is recorded with secrets redacted.

    Without a parent it is a child of the current span, or the root of a new trace.
    """
    with _tracer.start_as_current_span(
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
    """Record an error with secrets redacted, without its traceback, which may hold values."""
    kind, message = type(error).__name__, redact(str(error))
    made.add_event("exception", {"exception.type": kind, "exception.message": message})
    made.set_status(Status(StatusCode.ERROR, f"{kind}: {message}"))


class Call:
    """A call of another system, as a context manager. Its span is made at its end, because a live one costs far more.

    It becomes a span only in a trace that is recorded here; otherwise the parent span remains the parent.
    """

    __slots__ = ("attributes", "context", "error", "name", "parent", "recorded", "started")
    kind = SpanKind.CLIENT

    def __init__(self, name: str, attributes: dict[str, str | int], parent: SpanContext | None = None) -> None:
        self.name = name
        self.attributes = attributes
        self.parent = parent or trace.get_current_span().get_span_context()
        self.recorded = bool(_keepers) and self.parent.is_valid and self.parent.trace_flags.sampled
        self.context = _child(self.parent) if self.recorded else self.parent
        self.started = time.time_ns()
        self.error: Exception | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, where: object) -> None:
        self.error = error if isinstance(error, Exception) else None  # a cancellation is not a failure
        if self.recorded:
            _keepers[0].keep(self)

    @property
    def headers(self) -> dict[str, str]:
        """The headers that carry the trace context of a request; empty without a trace."""
        current = self.context
        if not current.is_valid:
            return {}
        return {"traceparent": f"00-{current.trace_id:032x}-{current.span_id:016x}-{current.trace_flags:02x}"}

    def answered(self, status: int) -> None:
        """Note the status of an HTTP response."""
        self.attributes["http.response.status_code"] = status

    @property
    def refused(self) -> str:
        """The text of an HTTP error status."""
        status = self.attributes.get("http.response.status_code", 0)
        return f"HTTP {status}" if isinstance(status, int) and status >= _ERROR else ""


class Task(Call):
    """Work for another process, as a context manager: calls within it are its children. Its span is made at its end.

    This process may not record a trace that its parent records.
    """

    __slots__ = ("_token",)
    kind = SpanKind.INTERNAL

    def __init__(self, name: str, attributes: dict[str, str | int], parent: TraceContext) -> None:
        above = span_context(parent)
        if _keepers and not _keepers[0].samples(name, above):
            above = span_context(replace(parent, flags="00"))
        super().__init__(name, attributes, above)

    def __enter__(self) -> Self:
        self._token = context.attach(trace.set_span_in_context(NonRecordingSpan(self.context)))
        return self

    def __exit__(self, kind: object, error: BaseException | None, where: object) -> None:
        context.detach(self._token)
        super().__exit__(kind, error, where)


def _child(parent: SpanContext) -> SpanContext:
    """A new span of a trace."""
    return SpanContext(parent.trace_id, secrets.randbits(64) or 1, is_remote=False, trace_flags=parent.trace_flags)


class Keeper(Protocol):
    """Exports calls as spans when they have ended."""

    def samples(self, name: str, parent: SpanContext) -> bool:
        """True when this process records work below that span."""

    def keep(self, call: Call) -> None:
        """Export a call that has just ended."""


_keepers: list[Keeper] = []


def keep_calls(keeper: Keeper) -> None:
    """Use this keeper, and no other, for calls that end from now on."""
    _keepers[:] = [keeper]


def request(system: str, method: str, path: str) -> Call:
    """A call over HTTP."""
    return Call(f"{system} {method}", {"http.request.method": method, "url.path": path})
