"""`python -m support.exposition PORT`: the real /metrics of a process in which much happens, and cAdvisor's beside it.

Ours come from the real registry, Temporal's from its real collector over a fake buffer: only the events are invented.
Each scrape finds more of them than the last one.
"""

import importlib
import sys
from itertools import product
from types import SimpleNamespace

from aiohttp import web
from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector
from support.promql import MODULES
from temporalio.runtime import (
    BUFFERED_METRIC_KIND_COUNTER,
    BUFFERED_METRIC_KIND_GAUGE,
    BUFFERED_METRIC_KIND_HISTOGRAM,
)

from prunella_operator.observability.core import PREFIX, CoreMetrics
from prunella_operator.runtime.health_endpoints import build_app

_VALUES = {
    "task_queue": ("prunella",),
    "phase": ("AwaitingApproval", "Verifying", "Healed", "Escalated"),
    "part": ("temporal", "pods"),
    "stage": ("detection", "heal"),
    "guard": ("HourlyBudget", "Cooldown"),
    "verdict": ("Healed", "NotHealed"),
    "outcome": ("firing", "joined"),
    "result": ("Delivered", "Unavailable"),
}
_QUEUE = {"task_queue": "prunella", "namespace": "default"}
_CORE = (
    (BUFFERED_METRIC_KIND_COUNTER, "request", {"operation": "StartWorkflowExecution"}),
    (BUFFERED_METRIC_KIND_COUNTER, "request_failure", {"operation": "StartWorkflowExecution"}),
    (BUFFERED_METRIC_KIND_HISTOGRAM, "request_latency", {"operation": "StartWorkflowExecution"}),
    (BUFFERED_METRIC_KIND_HISTOGRAM, "workflow_task_schedule_to_start_latency", {}),
    (BUFFERED_METRIC_KIND_HISTOGRAM, "activity_schedule_to_start_latency", {}),
    (BUFFERED_METRIC_KIND_GAUGE, "num_pollers", {"poller_type": "activity_task"}),
    (BUFFERED_METRIC_KIND_GAUGE, "worker_task_slots_used", {"worker_type": "ActivityWorker"}),
    (BUFFERED_METRIC_KIND_GAUGE, "worker_task_slots_available", {"worker_type": "ActivityWorker"}),
    (BUFFERED_METRIC_KIND_GAUGE, "sticky_cache_size", {}),
    (
        BUFFERED_METRIC_KIND_COUNTER,
        "workflow_task_execution_failed",
        {"workflow_type": "SelfHealing", "failure_reason": "WorkflowError"},
    ),
)


class Buffer:
    """One update of each metric of the core at each scrape."""

    def retrieve_updates(self):
        return [
            SimpleNamespace(
                metric=SimpleNamespace(name=f"{PREFIX}{name}", kind=kind, description=name),
                value=1.0,
                attributes={**_QUEUE, **labels},
            )
            for kind, name, labels in _CORE
        ]


class CAdvisor(Collector):
    """One container of a workload, with the labels that the kubelet gives."""

    def __init__(self):
        self.scrapes = 0

    def describe(self):
        return ()

    def collect(self):
        self.scrapes += 1
        labels = {"namespace": "shop", "pod": "web-5d8-x", "container": "app"}
        for name, value in (
            ("container_memory_working_set_bytes", 4e7),
            ("container_spec_memory_limit_bytes", 6e7),
            ("container_start_time_seconds", 1.7e9),
        ):
            yield with_one(GaugeMetricFamily(name, name, labels=list(labels)), labels, value)
        for name in ("container_cpu_usage_seconds", "container_oom_events"):
            yield with_one(CounterMetricFamily(name, name, labels=list(labels)), labels, self.scrapes)


def with_one(family, labels, value):
    family.add_metric(list(labels.values()), value)
    return family


def ours():
    """All metrics of Prunella's own."""
    modules = [importlib.import_module(f"prunella_operator.{name}") for name in MODULES]
    return [var for module in modules for var in vars(module).values() if isinstance(var, MetricWrapperBase)]


def happen(metric):
    """One event for each combination of some labels."""
    for values in product(*(_VALUES.get(name, (f"a-{name}",)) for name in metric._labelnames)):
        child = metric.labels(*values) if values else metric
        match metric:
            case Counter():
                child.inc()
            case Gauge():
                child.set(1)
            case Histogram():
                child.observe(3)


class Events(Collector):
    """Make every event happen once at each scrape. It exposes nothing itself."""

    def __init__(self):
        self._metrics = ours()

    def describe(self):
        return ()

    def collect(self):
        for metric in self._metrics:
            happen(metric)
        return iter(())


def main(port):
    REGISTRY.register(CoreMetrics(Buffer(), "prunella"))
    REGISTRY.register(CAdvisor())
    REGISTRY.register(Events())
    web.run_app(build_app(dict), host="127.0.0.1", port=port, print=None)


if __name__ == "__main__":
    main(int(sys.argv[1]))
