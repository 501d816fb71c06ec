"""Export of finished spans by OpenTelemetry's SDK and OTLP. Imported only when tracing is on."""

import time
from collections.abc import Sequence
from typing import Any

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode

from prunella_operator.observability.once import Once
from prunella_operator.observability.resource import resource
from prunella_operator.observability.tracing import NAME, Call, Task, keep_calls, nanoseconds, span_context
from prunella_workflows.model.errors import PrunellaError
from prunella_workflows.model.redaction import redact
from prunella_workflows.temporal.tracing import WorkflowSpan

_SCOPE = InstrumentationScope(NAME)
_UNSET, _OK = Status(), Status(StatusCode.OK)
_HIDDEN = "message of a library, hidden because it may contain an address or a token"
_FLUSH_TIMEOUT_MILLISECONDS = 2000  # at the end of a process: an unreachable collector must not delay it


class Tracing:
    """The process's tracing. Without a test's exporter spans go out by OTLP over gRPC, in batches, by a thread."""

    def __init__(self, service: str, exporter: SpanExporter | None = None) -> None:
        self._provider = TracerProvider(resource=resource(service))
        self._processor = SimpleSpanProcessor(exporter) if exporter else BatchSpanProcessor(OTLPSpanExporter())
        self._provider.add_span_processor(self._processor)
        trace.set_tracer_provider(self._provider)
        keep_calls(self)
        self._emitted = Once()

    def emit(self, span: WorkflowSpan) -> None:
        """Export the span of a finished workflow, with the ids chosen by the workflow."""
        context = span_context(span.context)
        if context.trace_flags.sampled and self._emitted.first(span.context.span_id):
            self._export(
                name=span.name,
                context=context,
                parent=span_context(span.parent),
                attributes=span.attributes,
                kind=SpanKind.SERVER,
                status=Status(StatusCode.ERROR, redact(span.error)) if span.error else _OK,
                start_time=nanoseconds(span.started),
                end_time=nanoseconds(span.ended),
            )

    def _export(self, **values: Any) -> None:
        span = ReadableSpan(resource=self._provider.resource, instrumentation_scope=_SCOPE, **values)
        self._processor.on_end(span)

    def samples(self, name: str, parent: SpanContext) -> bool:
        """True when OTEL_TRACES_SAMPLER of this process records work below that span."""
        above = trace.set_span_in_context(NonRecordingSpan(parent))
        result = self._provider.sampler.should_sample(above, parent.trace_id, name)
        return result.decision is Decision.RECORD_AND_SAMPLE

    def keep(self, call: Call) -> None:
        """Export the span of a call that has just ended."""
        events, status = _span_result(call)
        self._export(
            name=call.name,
            context=call.context,
            parent=call.parent,
            attributes=call.attributes,
            events=events,
            kind=call.kind,
            status=status,
            start_time=call.started,
            end_time=time.time_ns(),
        )

    def stop(self) -> None:
        """Send the remaining spans, for two seconds at most."""
        self._provider.force_flush(_FLUSH_TIMEOUT_MILLISECONDS)


def _span_result(call: Call) -> tuple[Sequence[Event], Status]:
    """The event of an error that a call raised, and the status of its span."""
    if call.error is None:
        good = _OK if isinstance(call, Task) else _UNSET
        return (), Status(StatusCode.ERROR, call.refused) if call.refused else good
    kind, ours = type(call.error).__name__, isinstance(call, Task) or isinstance(call.error, PrunellaError)
    message = redact(str(call.error)) if ours else _HIDDEN
    event = Event("exception", {"exception.type": kind, "exception.message": message})
    return (event,), Status(StatusCode.ERROR, f"{kind}: {message}")
