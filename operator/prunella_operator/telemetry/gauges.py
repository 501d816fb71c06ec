"""Prometheus metrics of the pipeline itself."""

from collections.abc import Mapping
from typing import Any

from prometheus_client import Counter, Gauge, Histogram

_LAG = Gauge("prunella_telemetry_lag_seconds", "Age of the oldest record of the latest batch when stored.", ["shard"])
_ITEMS = Counter("prunella_telemetry_items", "Spans, points and log records that were stored.")
_LATE = Counter("prunella_telemetry_late", "Items that came after their window was judged: stored only.")
_DEAD = Counter("prunella_telemetry_dead", "Records that could not be read: dead letters.")
_SECONDS = Histogram(
    "prunella_telemetry_batch_seconds",
    "From the first result of a batch to its store.",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
_ANOMALIES = Gauge("prunella_telemetry_anomalies", "Anomalies that last.")


def observe(batch: Mapping[str, Any], anomalies: int) -> None:
    """Count a stored batch, as telemetry_batch has it."""
    _LAG.labels(str(batch["shard"])).set(batch["lag_seconds"])
    _ITEMS.inc(batch["items"])
    _LATE.inc(batch["late"])
    _DEAD.inc(batch["dead"])
    _SECONDS.observe(batch["seconds"])
    _ANOMALIES.set(anomalies)


def idle(shard: int) -> None:
    """Note that nothing waits."""
    _LAG.labels(str(shard)).set(0)
