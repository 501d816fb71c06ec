"""Sending over gRPC, as an SDK does: what is refused for a while is sent again."""

import time

import grpc
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otlpload.messages import Request

_SERVICES = {
    ExportTraceServiceRequest: "opentelemetry.proto.collector.trace.v1.TraceService",
    ExportMetricsServiceRequest: "opentelemetry.proto.collector.metrics.v1.MetricsService",
    ExportLogsServiceRequest: "opentelemetry.proto.collector.logs.v1.LogsService",
}
_AGAIN = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED})
_FIRST_WAIT, _LONGEST_WAIT = 0.2, 5.0
_TIMEOUT = 10.0


class Sender:
    """A connection to a Collector's address. `repeated` counts requests that were sent again: they may be doubled."""

    def __init__(self, address: str, patience: float = 120.0) -> None:
        self._channel = grpc.insecure_channel(address)
        self._patience = patience
        self._export = {kind: self._channel.unary_unary(f"/{service}/Export") for kind, service in _SERVICES.items()}
        self.repeated = 0

    def send(self, request: Request) -> None:
        """Send a request; return when the Collector has taken it.

        Raises:
            grpc.RpcError: it was refused for good, or for longer than the patience.
        """
        data = request.SerializeToString()
        deadline, wait = time.monotonic() + self._patience, _FIRST_WAIT
        while True:
            try:
                self._export[type(request)](data, timeout=_TIMEOUT)
            except grpc.RpcError as error:
                if error.code() not in _AGAIN or time.monotonic() > deadline:
                    raise
                self.repeated += 1
                time.sleep(wait)
                wait = min(2 * wait, _LONGEST_WAIT)
            else:
                return

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()
