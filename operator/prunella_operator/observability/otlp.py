"""Prometheus families as OpenTelemetry's metrics: the same numbers under names of their own kind. Pure functions.

Names of Temporal are written with dots, such as `temporal.workflow.started`; all other names stay.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from opentelemetry.sdk.metrics import export
from opentelemetry.sdk.metrics.export import Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, Sum
from prometheus_client.core import Metric as Family
from prometheus_client.samples import Sample

_DOTTED = ("temporal_workflow_", "temporal_activity_", "temporal_task_queue_")
_MILLISECONDS, _SECONDS = "_milliseconds", "_seconds"
_TOTAL = export.AggregationTemporality.CUMULATIVE

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Window:
    """Start and end of a total in nanoseconds; a series with a creation time of its own keeps that."""

    began: int
    now: int


def convert(families: Iterable[Family], window: Window) -> Iterator[Metric]:
    """Counters, gauges and histograms; kinds without an equivalent in OTLP are left out."""
    for family in families:
        data = _data(family, window)
        if data is not None and data.data_points:
            name, unit = _named(family.name)
            yield Metric(name, family.documentation, unit, data)


def _named(name: str) -> tuple[str, str]:
    """The name and the unit."""
    bare, unit = name, ""
    if name.endswith(_MILLISECONDS):
        bare, unit = name.removesuffix(_MILLISECONDS), "ms"
    elif name.endswith(_SECONDS):
        unit = "s"
    for start in _DOTTED:
        if name.startswith(start):
            scope = start.removeprefix("temporal_").removesuffix("_")
            return f"temporal.{scope}.{bare.removeprefix(start)}", unit
    return name, unit


def _data(family: Family, window: Window) -> Sum | Gauge | Histogram | None:
    if family.type == "counter":
        totals = [sample for sample in family.samples if sample.name.endswith("_total")]
        return Sum(_numbers(totals, _beginnings(family.samples), window), _TOTAL, is_monotonic=True)
    if family.type == "gauge":
        return Gauge(_numbers(family.samples, {}, window))
    if family.type == "histogram":
        return Histogram(list(_distributions(family.samples, window)), _TOTAL)
    return None


def _labels(labels: Mapping[str, str]) -> Labels:
    return tuple(sorted((name, value) for name, value in labels.items() if name != "le"))


def _beginnings(samples: Iterable[Sample]) -> dict[Labels, int]:
    return {_labels(sample.labels): int(sample.value * 1e9) for sample in samples if sample.name.endswith("_created")}


def _numbers(samples: Iterable[Sample], beginnings: Mapping[Labels, int], window: Window) -> list[NumberDataPoint]:
    return [
        NumberDataPoint(sample.labels, beginnings.get(_labels(sample.labels), window.began), window.now, sample.value)
        for sample in samples
    ]


def _distributions(samples: list[Sample], window: Window) -> Iterator[HistogramDataPoint]:
    beginnings, sums = _beginnings(samples), {}
    buckets: dict[Labels, list[tuple[float, float]]] = {}
    for sample in samples:
        if sample.name.endswith("_bucket"):
            buckets.setdefault(_labels(sample.labels), []).append((float(sample.labels["le"]), sample.value))
        elif sample.name.endswith("_sum"):
            sums[_labels(sample.labels)] = sample.value
    for labels, cumulated in buckets.items():
        counts = [int(count) for _, count in sorted(cumulated)]
        yield HistogramDataPoint(
            attributes=dict(labels),
            start_time_unix_nano=beginnings.get(labels, window.began),
            time_unix_nano=window.now,
            count=counts[-1],
            sum=sums.get(labels, 0.0),
            bucket_counts=[count - before for count, before in zip(counts, [0, *counts], strict=False)],
            explicit_bounds=sorted(bound for bound, _ in cumulated)[:-1],
            min=None,  # type: ignore[arg-type]  # not known, and the encoder omits it
            max=None,  # type: ignore[arg-type]
        )
