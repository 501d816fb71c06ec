"""The metrics of Temporal's SDK on our own /metrics: its native core writes into a buffer, which is read here.

Names are prefixed with `temporal_sdk_`; some would otherwise collide with our own metrics. All have the label
`service_name`: other workers have the same metrics, and calls to the server have no other label to tell them apart.
"""

import asyncio
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NoReturn

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import REGISTRY, Collector, CollectorRegistry
from temporalio.runtime import (
    BUFFERED_METRIC_KIND_COUNTER,
    BUFFERED_METRIC_KIND_GAUGE,
    BufferedMetric,
    BufferedMetricUpdate,
    MetricBuffer,
    MetricBufferDurationFormat,
    Runtime,
    TelemetryConfig,
)

PREFIX = "temporal_sdk_"
_BUFFER_SIZE = 20_000  # updates between two drains, 90 bytes each; the core drops and logs what exceeds it
_DRAIN_INTERVAL_SECONDS = 2.0
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)

Labels = tuple[tuple[str, str], ...]


@dataclass
class _Series:
    """One metric of the core: its kind, and a value, or the buckets, for each set of labels."""

    kind: int
    help: str
    values: dict[Labels, float] = field(default_factory=dict)
    buckets: dict[Labels, list[int]] = field(default_factory=dict)

    def add(self, labels: Labels, value: float) -> None:
        if self.kind == BUFFERED_METRIC_KIND_GAUGE:
            self.values[labels] = value
            return
        self.values[labels] = self.values.get(labels, 0.0) + value
        if self.kind != BUFFERED_METRIC_KIND_COUNTER:
            counts = self.buckets.setdefault(labels, [0] * (len(_SECONDS) + 1))
            counts[bisect_left(_SECONDS, value)] += 1


class CoreMetrics(Collector):
    """Reads the buffer at each scrape and keeps the sums."""

    def __init__(self, buffer: MetricBuffer, service: str) -> None:
        self._buffer = buffer
        self._service = service
        self._series: dict[str, _Series] = {}
        self._lock = threading.Lock()

    async def drain(self) -> NoReturn:
        """Empty the buffer periodically, also without scrapes."""
        while True:
            await asyncio.sleep(_DRAIN_INTERVAL_SECONDS)
            with self._lock:
                self._fold(self._buffer.retrieve_updates())

    def collect(self) -> Iterator[Metric]:
        """All metrics of the core in Prometheus' format."""
        with self._lock:
            self._fold(self._buffer.retrieve_updates())
            families = [_family(name, series) for name, series in self._series.items()]
        return iter(families)

    def describe(self) -> Iterable[Metric]:
        """Nothing: the names are not known before something was measured."""
        return ()

    def _fold(self, updates: Sequence[BufferedMetricUpdate]) -> None:
        labels: dict[int, Labels] = {}  # the core uses one object for all updates of one place
        adders: dict[tuple[int, int], Callable[[float], None]] = {}
        for update in updates:
            metric, attributes = update.metric, update.attributes
            key = id(metric), id(attributes)
            add = adders.get(key)
            if add is None:
                if key[1] not in labels:
                    named = {**attributes, "service_name": self._service}
                    labels[key[1]] = tuple(sorted((name, str(value)) for name, value in named.items()))
                add = adders[key] = partial(self._series_of(metric).add, labels[key[1]])
            add(update.value)

    def _series_of(self, metric: BufferedMetric) -> _Series:
        if metric.name not in self._series:
            self._series[metric.name] = _Series(metric.kind, metric.description or metric.name)
        return self._series[metric.name]


def _family(name: str, series: _Series) -> Metric:
    names = sorted({key for labels in series.values for key, _ in labels})
    if series.kind in (BUFFERED_METRIC_KIND_COUNTER, BUFFERED_METRIC_KIND_GAUGE):
        family = CounterMetricFamily if series.kind == BUFFERED_METRIC_KIND_COUNTER else GaugeMetricFamily
        numbers = family(name, series.help, labels=names)
        for labels, value in series.values.items():
            numbers.add_metric(_ordered_values(names, labels), value)
        return numbers
    histogram = HistogramMetricFamily(f"{name}_seconds", series.help, labels=names)
    for labels, counts in series.buckets.items():
        histogram.add_metric(_ordered_values(names, labels), _cumulate(counts), series.values[labels])
    return histogram


def _ordered_values(names: Sequence[str], labels: Labels) -> list[str]:
    known = dict(labels)
    return [known.get(name, "") for name in names]


def _cumulate(counts: Sequence[int]) -> list[tuple[str, float]]:
    bounds = [*map(str, _SECONDS), "+Inf"]
    return [(bound, float(sum(counts[: number + 1]))) for number, bound in enumerate(bounds)]


def measured_runtime(service: str, registry: CollectorRegistry = REGISTRY) -> tuple[Runtime, CoreMetrics]:
    """The runtime for the Temporal clients of this process, and its metrics, which are added to the registry.

    `service` is their label `service_name`.

    Create one per process: the workers of a client report through its runtime.
    """
    buffer = MetricBuffer(_BUFFER_SIZE, MetricBufferDurationFormat.SECONDS)
    runtime = Runtime(telemetry=TelemetryConfig(metrics=buffer, metric_prefix=PREFIX))
    metrics = CoreMetrics(buffer, service)
    registry.register(metrics)
    return runtime, metrics
