"""Metrics of the shop's pods, with the names of the Collector's kubeletstats and of HTTP servers."""

from random import Random  # noqa: TID251 - seeded, and no part of the brain

from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_DELTA, ScopeMetrics

from otlpload.faults import ActiveFault, FaultKind
from otlpload.messages import Messages
from otlpload.shop import Pod, Shop

CPU, MEMORY = "k8s.pod.cpu_limit_utilization", "k8s.pod.memory_limit_utilization"
RESTARTS, DURATION = "k8s.container.restarts", "http.server.request.duration"
_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Bounds of the histogram, in s."""


class Metrics:
    """Fills messages with one point per pod and metric; `points` counts them."""

    def __init__(self, shop: Shop, random: Random, fault: ActiveFault | None, messages: Messages) -> None:
        self._shop, self._random, self._fault, self._messages = shop, random, fault, messages
        self.points = 0

    def add(self, time: int) -> None:
        """Add the points of all pods at a time in ns."""
        for service in self._shop.services.values():
            for pod in service.pods:
                scope = self._messages.metrics_of(service, pod)
                self._gauge(scope, CPU, self._share(pod, 0.3), time)
                self._gauge(scope, MEMORY, self._share(pod, 0.5), time)
                self._gauge(scope, RESTARTS, 0, time)
                self._histogram(scope, time)

    def _share(self, pod: Pod, usual: float) -> float:
        """The share of its limit that a pod uses."""
        full = self._fault and self._fault.hits(pod, FaultKind.SATURATION)
        return min(1.0, (0.97 if full else usual) * self._random.lognormvariate(0, 0.02))

    def _gauge(self, scope: ScopeMetrics, name: str, value: float, time: int) -> None:
        metric = scope.metrics.add(name=name)
        metric.gauge.data_points.add(time_unix_nano=time, as_double=value)
        self.points += 1

    def _histogram(self, scope: ScopeMetrics, time: int) -> None:
        metric = scope.metrics.add(name=DURATION, unit="s")
        metric.histogram.aggregation_temporality = AGGREGATION_TEMPORALITY_DELTA
        counts = [self._random.randrange(20) for _ in range(len(_BOUNDS) + 1)]
        metric.histogram.data_points.add(
            time_unix_nano=time,
            count=sum(counts),
            sum=sum(counts) * 0.02,
            bucket_counts=counts,
            explicit_bounds=_BOUNDS,
        )
        self.points += 1
