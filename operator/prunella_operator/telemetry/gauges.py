"""Prometheus metrics of the pipeline itself."""

from collections.abc import Mapping
from typing import Any

from prometheus_client import Counter, Gauge, Histogram

from prunella_operator import clock

_LAG = Gauge("prunella_telemetry_lag_seconds", "Age of the oldest record not stored yet, at most.", ["shard"])
_RECORDS = Counter("prunella_telemetry_records", "Records of Kafka that were handled.")
_ITEMS = Counter("prunella_telemetry_items", "Spans, points and log records that were stored.")
_LATE = Counter("prunella_telemetry_late", "Items that came after their window was judged: stored only.")
_DEAD = Counter("prunella_telemetry_dead", "Records that could not be read: dead letters.")
_SECONDS = Histogram(
    "prunella_telemetry_batch_seconds",
    "From the first result of a batch to its store.",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
_ANOMALIES = Gauge("prunella_telemetry_anomalies", "Anomalies that last.")


def observe(batch: Mapping[str, Any], records: int, anomalies: int) -> None:
    """Count a stored batch, as telemetry_batch has it."""
    _set_lag(batch["shard"], batch["lag_seconds"])
    _RECORDS.inc(records)
    _ITEMS.inc(batch["items"])
    _LATE.inc(batch["late"])
    _DEAD.inc(batch["dead"])
    _SECONDS.observe(batch["seconds"])
    _ANOMALIES.set(anomalies)


def idle(shard: int) -> None:
    """Note that nothing waits."""
    _set_lag(shard, 0)


def _set_lag(shard: int, seconds: float) -> None:
    """Note the lag. It grows until it is noted again, so that a pipeline that stands still has one too.

    Another worker may go on with the shard: the smallest lag of all workers is the right one.
    """
    noted = clock.monotonic() - seconds
    _LAG.labels(str(shard)).set_function(lambda: clock.monotonic() - noted)
