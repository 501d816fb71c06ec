"""The pipeline's own metrics."""

import pytest
from prometheus_client import REGISTRY

from prunella_operator import clock
from prunella_operator.telemetry import gauges

BATCH = {"shard": 7, "lag_seconds": 12.0, "items": 100, "late": 2, "dead": 1, "seconds": 0.5}


def value(name, **labels):
    return REGISTRY.get_sample_value(f"prunella_telemetry_{name}", labels)


def test_the_lag_grows_until_something_is_stored_or_nothing_waits(monkeypatch):
    now = 1000.0
    monkeypatch.setattr(clock, "monotonic", lambda: now)
    gauges.observe(BATCH, 10, 0)
    assert value("lag_seconds", shard="7") == 12
    now = 1090.0
    assert value("lag_seconds", shard="7") == 102
    gauges.idle(7)
    assert value("lag_seconds", shard="7") == 0


def test_a_batch_is_counted():
    names = ("records_total", "items_total", "late_total", "dead_total", "batch_seconds_count")
    before = [value(name) for name in names]
    gauges.observe(BATCH, 10, 3)
    assert [value(name) - was for name, was in zip(names, before, strict=True)] == pytest.approx([10, 100, 2, 1, 1])
    assert value("anomalies") == 3
