"""Periodic push of all metrics of /metrics by OTLP over gRPC. Imported only when an endpoint is configured.

A thread of its own reads the registry and waits for the collector, so that a slow or unreachable one slows nothing.
Totals are sent, so a lost message is compensated by the next one.
"""

import os
from collections.abc import Mapping
from threading import Event, Thread

from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics.export import MetricExporter, MetricsData, ResourceMetrics, ScopeMetrics
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client.registry import REGISTRY, CollectorRegistry

from prunella_operator import clock
from prunella_operator.observability.otlp import Window, convert
from prunella_operator.observability.resource import resource
from prunella_operator.observability.tracing import NAME, nanoseconds
from prunella_workflows.model.errors import Permanent

_INTERVAL = "OTEL_METRIC_EXPORT_INTERVAL"
_DEFAULT_INTERVAL = "60000"  # milliseconds
_FLUSH_TIMEOUT_SECONDS = 2.0  # at the end of a process: an unreachable collector must not delay it


class InvalidVariable(Permanent):
    """A standard variable has an invalid value."""


class MetricPush:
    """Pushes the metrics of this process until `stop`."""

    def __init__(
        self,
        service: str,
        exporter: MetricExporter | None = None,
        registry: CollectorRegistry = REGISTRY,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._interval = _interval(environment)
        self._exporter = exporter or OTLPMetricExporter()
        self._registry = registry
        self._resource = resource(service)
        self._began = nanoseconds(clock.now())
        self._ended = Event()
        self._thread = Thread(target=self._run, name="metrics by otlp", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Send the last values, for two seconds at most."""
        self._ended.set()
        self._thread.join(_FLUSH_TIMEOUT_SECONDS)
        self._exporter.shutdown()

    def _run(self) -> None:
        while not self._ended.wait(self._interval):
            self._push()
        self._push()

    def _push(self) -> None:
        window = Window(self._began, nanoseconds(clock.now()))
        metrics = list(convert(self._registry.collect(), window))
        scope = ScopeMetrics(InstrumentationScope(NAME), metrics, "")
        self._exporter.export(MetricsData([ResourceMetrics(self._resource, [scope], "")]))


def _interval(environment: Mapping[str, str]) -> float:
    """Seconds between two messages.

    Raises:
        InvalidVariable: the variable is not a duration.
    """
    text = environment.get(_INTERVAL) or _DEFAULT_INTERVAL
    if not text.isdecimal() or not int(text):
        raise InvalidVariable(f"environment variable {_INTERVAL}: expected milliseconds, such as {_DEFAULT_INTERVAL}")
    return int(text) / 1000
