"""Metrics of Temporal's core in the format of Prometheus."""

from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from temporalio.runtime import (
    BUFFERED_METRIC_KIND_COUNTER,
    BUFFERED_METRIC_KIND_GAUGE,
    BUFFERED_METRIC_KIND_HISTOGRAM,
)

from prunella_operator.observability.core import CoreMetrics

QUEUE = {"task_queue": "prunella"}


class Buffer:
    """Return each batch of updates once."""

    def __init__(self, *batches):
        self.batches = list(batches)

    def retrieve_updates(self):
        return self.batches.pop(0) if self.batches else []


def update(kind, value, name="temporal_sdk_polls", **labels):
    metric = SimpleNamespace(name=name, kind=kind, description="Polls.", unit="")
    return SimpleNamespace(metric=metric, value=value, attributes={**QUEUE, **labels})


def scraped(*batches, scrapes=1):
    registry = CollectorRegistry()
    registry.register(CoreMetrics(Buffer(*batches), "prunella"))
    text = ""
    for _ in range(scrapes):
        text = generate_latest(registry).decode()
    return [line for line in text.splitlines() if not line.startswith("#")]


def test_a_counter_adds_up_over_scrapes():
    metric = update(BUFFERED_METRIC_KIND_COUNTER, 2)
    assert scraped([metric], [metric], scrapes=2) == [
        'temporal_sdk_polls_total{service_name="prunella",task_queue="prunella"} 4.0'
    ]


def test_a_gauge_is_what_was_said_last():
    batch = [update(BUFFERED_METRIC_KIND_GAUGE, 5), update(BUFFERED_METRIC_KIND_GAUGE, 3)]
    assert scraped(batch) == ['temporal_sdk_polls{service_name="prunella",task_queue="prunella"} 3.0']


def test_a_histogram_has_its_buckets_in_seconds():
    lines = scraped([update(BUFFERED_METRIC_KIND_HISTOGRAM, value) for value in (0.02, 4.0, 9999.0)])
    assert 'temporal_sdk_polls_seconds_bucket{le="0.025",service_name="prunella",task_queue="prunella"} 1.0' in lines
    assert 'temporal_sdk_polls_seconds_bucket{le="5.0",service_name="prunella",task_queue="prunella"} 2.0' in lines
    assert 'temporal_sdk_polls_seconds_bucket{le="+Inf",service_name="prunella",task_queue="prunella"} 3.0' in lines
    assert 'temporal_sdk_polls_seconds_count{service_name="prunella",task_queue="prunella"} 3.0' in lines


@pytest.mark.parametrize("first", [{}, {"poller_type": "activity"}])
def test_updates_need_not_have_the_same_labels(first):
    batch = [update(BUFFERED_METRIC_KIND_COUNTER, 1, **first), update(BUFFERED_METRIC_KIND_COUNTER, 1, extra="x")]
    assert len(scraped(batch)) == 2
