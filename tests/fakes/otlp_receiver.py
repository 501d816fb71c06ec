"""OTLP receivers: real gRPC servers that keep the metrics or the spans that they are sent."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from queue import Queue

import grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as messages
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as service
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace_messages
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as trace_service


class Receiver(service.MetricsServiceServicer):
    """Keep what arrives, in order; `address` is where it listens."""

    def __init__(self):
        self.came = Queue()
        self.address = ""

    def Export(self, request, context):  # noqa: N802 - gRPC's name
        self.came.put(request)
        return messages.ExportMetricsServiceResponse()

    def next(self, within=20):
        """The next message: its resource's attributes, and its metrics by name."""
        (found,) = self.came.get(timeout=within).resource_metrics
        attributes = {attribute.key: attribute.value.string_value for attribute in found.resource.attributes}
        return attributes, {metric.name: metric for scope in found.scope_metrics for metric in scope.metrics}


def receiving():
    """A receiver on a free port."""
    return _serving(Receiver(), service.add_MetricsServiceServicer_to_server)


@contextmanager
def _serving(receiver, add):
    with ThreadPoolExecutor(2) as pool:
        server = grpc.server(pool)
        add(receiver, server)
        receiver.address = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        try:
            yield receiver
        finally:
            server.stop(0).wait()


class SpanReceiver(trace_service.TraceServiceServicer):
    """Keep all spans, each with the name of its service; `address` is where it listens."""

    def __init__(self):
        self.spans = []
        self.address = ""

    def Export(self, request, context):  # noqa: N802 - gRPC's name
        for resource in request.resource_spans:
            attributes = {one.key: one.value.string_value for one in resource.resource.attributes}
            found = [span for scope in resource.scope_spans for span in scope.spans]
            self.spans += [(attributes["service.name"], span) for span in found]
        return trace_messages.ExportTraceServiceResponse()


def receiving_spans():
    """A receiver of spans on a free port."""
    return _serving(SpanReceiver(), trace_service.add_TraceServiceServicer_to_server)
