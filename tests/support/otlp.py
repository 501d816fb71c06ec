"""OTLP as applications send it: serialized requests of traces, metrics and logs of a small shop."""

import random  # noqa: TID251 - seeded

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

SECOND = 1_000_000_000
MS = 1_000_000
SERVER, CLIENT, ERROR = 2, 3, 2
CHAIN = ("web", "cart", "stock")
"""Each calls the next one."""


def resource(message, service, pod=0):
    """Name a service of namespace shop, of a Deployment of its name, on its pod of this number."""
    names = {
        "service.name": service,
        "k8s.namespace.name": "shop",
        "k8s.deployment.name": service,
        "k8s.replicaset.name": f"{service}-5d8f9c7b6",
        "k8s.pod.name": f"{service}-5d8f9c7b6-{pod}",
        "k8s.pod.uid": f"uid-{service}-{pod}",
        "k8s.node.name": f"node-{pod}",
    }
    for name, value in names.items():
        message.attributes.add(key=name).value.string_value = value


def trace(request, end, rng, failed=(), services=CHAIN):
    """Add one trace: each service calls the next. `failed`: services whose spans fail."""
    identity, parent, length = rng.randbytes(16), b"", 50 * MS
    for position, service in enumerate(services):
        scope = request.resource_spans.add()
        resource(scope.resource, service, rng.randrange(2))
        spans = scope.scope_spans.add().spans
        parent = span(
            spans,
            identity,
            parent,
            kind=SERVER,
            name=f"GET /{service}/{rng.randrange(99)}",
            end=end,
            length=length,
            failed=service in failed,
        )
        if position + 1 < len(services):
            length -= 10 * MS
            parent = span(
                spans,
                identity,
                parent,
                kind=CLIENT,
                name="call",
                end=end,
                length=length,
                failed=services[position + 1] in failed,
            )
            length -= 10 * MS


def span(spans, identity, parent, *, kind, name, end, length, failed=False):
    """Add a span and return its id."""
    own = random.Random(f"{identity.hex()}{parent.hex()}{name}").randbytes(8)
    added = spans.add(trace_id=identity, span_id=own, parent_span_id=parent, kind=kind, name=name)
    added.start_time_unix_nano, added.end_time_unix_nano = end - length, end
    added.status.code = ERROR if failed else 0
    return own


def traces(number, end, *, seed=1, failed=(), per_request=10, services=CHAIN):
    """Requests with so many traces that ended within the 10 s before `end`."""
    rng, requests = random.Random(seed), []
    for first in range(0, number, per_request):
        request = ExportTraceServiceRequest()
        for _ in range(first, min(number, first + per_request)):
            trace(request, end - rng.randrange(10 * SECOND), rng, failed, services)
        requests.append(request.SerializeToString())
    return requests


def metrics(time, share=0.5):
    """A request with the CPU and memory that the pods of the shop use of their limits."""
    request = ExportMetricsServiceRequest()
    for service in CHAIN:
        scope = request.resource_metrics.add()
        resource(scope.resource, service)
        found = scope.scope_metrics.add().metrics
        for name in ("k8s.pod.cpu_limit_utilization", "k8s.pod.memory_limit_utilization"):
            found.add(name=name).gauge.data_points.add(time_unix_nano=time, as_double=share)
        found.add(name="http.server.duration").histogram.data_points.add(
            time_unix_nano=time, count=4, sum=8, min=1, max=3
        )
    return [request.SerializeToString()]


def logs(time, texts, severity=17, service="cart"):
    """A request with a log record for each text."""
    request = ExportLogsServiceRequest()
    scope = request.resource_logs.add()
    resource(scope.resource, service)
    records = scope.scope_logs.add().log_records
    for text in texts:
        records.add(time_unix_nano=time, severity_number=severity).body.string_value = text
    return [request.SerializeToString()]
