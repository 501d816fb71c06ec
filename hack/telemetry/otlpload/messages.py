"""Requests of OTLP while they are filled: one resource per pod, as an SDK or the Collector's k8sattributes names it."""

from collections.abc import Mapping

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import ScopeLogs
from opentelemetry.proto.metrics.v1.metrics_pb2 import ScopeMetrics
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans

from otlpload.shop import Pod, Service

Request = ExportTraceServiceRequest | ExportMetricsServiceRequest | ExportLogsServiceRequest


def attribute(key: str, value: str) -> KeyValue:
    """An attribute with a text."""
    found = KeyValue(key=key)
    found.value.string_value = value
    return found


def resource(service: Service, pod: Pod) -> Resource:
    """The resource of a pod."""
    values: Mapping[str, str] = {
        "service.name": service.name,
        "k8s.namespace.name": service.namespace,
        "k8s.deployment.name": service.name,
        "k8s.replicaset.name": f"{service.name}-{pod.template}",
        "k8s.pod.name": pod.name,
        "k8s.pod.uid": pod.uid,
        "k8s.node.name": pod.node,
        "telemetry.sdk.language": "go",
    }
    return Resource(attributes=[attribute(key, value) for key, value in values.items()])


class Messages:
    """One request per signal, with the scope of each pod."""

    def __init__(self) -> None:
        self.traces = ExportTraceServiceRequest()
        self.metrics = ExportMetricsServiceRequest()
        self.logs = ExportLogsServiceRequest()
        self._spans: dict[str, ScopeSpans] = {}
        self._metrics: dict[str, ScopeMetrics] = {}
        self._logs: dict[str, ScopeLogs] = {}

    def spans_of(self, service: Service, pod: Pod) -> ScopeSpans:
        """The place for spans of a pod."""
        if pod.uid not in self._spans:
            found = self.traces.resource_spans.add(resource=resource(service, pod))
            self._spans[pod.uid] = found.scope_spans.add()
        return self._spans[pod.uid]

    def metrics_of(self, service: Service, pod: Pod) -> ScopeMetrics:
        """The place for metrics of a pod."""
        if pod.uid not in self._metrics:
            found = self.metrics.resource_metrics.add(resource=resource(service, pod))
            self._metrics[pod.uid] = found.scope_metrics.add()
        return self._metrics[pod.uid]

    def logs_of(self, service: Service, pod: Pod) -> ScopeLogs:
        """The place for log records of a pod."""
        if pod.uid not in self._logs:
            found = self.logs.resource_logs.add(resource=resource(service, pod))
            self._logs[pod.uid] = found.scope_logs.add()
        return self._logs[pod.uid]
