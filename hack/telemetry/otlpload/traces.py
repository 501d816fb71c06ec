"""Traces of the shop: each request of people runs through the services, span by span, and may fail on its way."""

from dataclasses import dataclass
from random import Random  # noqa: TID251 - seeded, and no part of the brain

from opentelemetry.proto.logs.v1.logs_pb2 import SeverityNumber
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from otlpload.faults import ActiveFault, FaultKind
from otlpload.messages import Messages, attribute
from otlpload.shop import ENTRY, REQUESTS, Call, Operation, Pod, Service, Shop
from otlpload.totals import Totals

_MS = 1_000_000
"""Nanoseconds of a millisecond."""
_USUAL_ERRORS = 0.001
_SPREAD = 0.35
"""Sigma of the log-normal times."""
_NETWORK_MS = 0.4
_LOGGED = 0.1


@dataclass(frozen=True, slots=True)
class Frame:
    """A span in the making: whose it is, and its ids."""

    service: Service
    pod: Pod
    trace: bytes
    span: bytes
    parent: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a span, in ns, and whether it failed."""

    end: int
    failed: bool = False


class Traces:
    """Walks requests through the shop, and fills messages and totals with their spans and log records."""

    def __init__(self, shop: Shop, random: Random, fault: ActiveFault | None, messages: Messages) -> None:
        self._shop, self._random, self._fault, self._messages = shop, random, fault, messages
        self.totals = Totals()

    def add(self, start: int) -> None:
        """Add one trace that starts at a time in ns."""
        (asked,) = self._random.choices(list(REQUESTS), list(REQUESTS.values()))
        self._serve(Call(ENTRY, asked), self._random.randbytes(16), b"", start)
        self.totals.traces += 1

    def _serve(self, call: Call, trace: bytes, parent: bytes, start: int) -> Outcome:
        """The server's span, with all that it calls."""
        service = self._shop.services[call.service]
        operation, pod = service.operations[call.operation], self._random.choice(service.pods)
        frame = Frame(service, pod, trace, self._random.randbytes(8), parent)
        own = self._time(operation.own_ms) + self._slowness(pod)
        calls = self._calls(frame, operation, start + own // 2)
        failed = calls.failed or self._fails(pod)
        end = calls.end + own - own // 2
        self._span(frame, Span.SPAN_KIND_SERVER, operation.name, start, Outcome(end, failed))
        self._count(service.name, operation.name, failed, own_error=failed and not calls.failed)
        self._log(frame, end, own_error=failed and not calls.failed)
        return Outcome(end, failed)

    def _calls(self, frame: Frame, operation: Operation, start: int) -> Outcome:
        """The calls of an operation, one after the other; one that fails ends it."""
        outcome = Outcome(start)
        for call in operation.calls:
            if self._random.random() < call.chance:
                outcome = self._call(frame, call, outcome.end)
            if outcome.failed:
                break
        return outcome

    def _call(self, caller: Frame, call: Call, start: int) -> Outcome:
        """The client's span around the server's; what lies between them is the network."""
        frame = Frame(caller.service, caller.pod, caller.trace, self._random.randbytes(8), caller.span)
        way = self._time(_NETWORK_MS) + self._detour(call)
        answer = self._serve(call, frame.trace, frame.span, start + way)
        outcome = Outcome(answer.end + way, answer.failed)
        callee = self._shop.services[call.service].name
        span = self._span(frame, Span.SPAN_KIND_CLIENT, f"{callee}/{call.operation}", start, outcome)
        span.attributes.extend((attribute("rpc.system", "grpc"), attribute("server.address", callee)))
        self.totals.edges[caller.service.name, callee] += 1
        return outcome

    def _span(self, frame: Frame, kind: Span.SpanKind.ValueType, name: str, start: int, outcome: Outcome) -> Span:
        self.totals.spans += 1
        span = self._messages.spans_of(frame.service, frame.pod).spans.add(
            trace_id=frame.trace,
            span_id=frame.span,
            parent_span_id=frame.parent,
            kind=kind,
            name=name,
            start_time_unix_nano=start,
            end_time_unix_nano=outcome.end,
        )
        if outcome.failed:
            span.status.code = Status.STATUS_CODE_ERROR
        return span

    def _log(self, frame: Frame, time: int, own_error: bool) -> None:
        """Every failure of its own is logged with the reason, and a tenth of the rest."""
        if not own_error and self._random.random() > _LOGGED:
            return
        number, severity = self._random.randrange(10**6), "ERROR" if own_error else "INFO"
        record = self._messages.logs_of(frame.service, frame.pod).log_records.add(
            time_unix_nano=time,
            severity_number=SeverityNumber.SEVERITY_NUMBER_ERROR if own_error else SeverityNumber.SEVERITY_NUMBER_INFO,
            severity_text=severity,
            trace_id=frame.trace,
            span_id=frame.span,
        )
        text = "upstream refused request {} after 3 attempts" if own_error else "finished request {}"
        record.body.string_value = text.format(number)
        self.totals.logs += 1
        self.totals.severities[frame.service.name, severity] += 1

    def _count(self, service: str, operation: str, failed: bool, own_error: bool) -> None:
        self.totals.requests[service, operation] += 1
        self.totals.errors[service, operation] += failed
        self.totals.own_errors[service] += own_error

    def _time(self, median_ms: float) -> int:
        """A log-normal time, in ns."""
        return int(median_ms * _MS * self._random.lognormvariate(0, _SPREAD))

    def _fails(self, pod: Pod) -> bool:
        bad = self._fault and self._fault.hits(pod, FaultKind.ERRORS)
        return self._random.random() < (self._fault.fault.share if self._fault and bad else _USUAL_ERRORS)

    def _slowness(self, pod: Pod) -> int:
        """The time that the fault costs in the service itself."""
        slow = self._fault and self._fault.hits(pod, FaultKind.LATENCY)
        return self._time(self._fault.fault.extra_ms) if self._fault and slow else 0

    def _detour(self, call: Call) -> int:
        """The time that the fault costs on each way to the service."""
        fault = self._fault.fault if self._fault else None
        far = fault and fault.kind is FaultKind.NETWORK and fault.service == call.service
        return self._time(fault.extra_ms / 2) if fault and far else 0
