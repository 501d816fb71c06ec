"""Workflows, activities and workers, by our own metrics and those of Temporal's core."""

from boards.grafana import RED, Dashboard, Panel, Row
from boards.queries import Query, counted

_OURS = '{task_queue=~"prunella.*"}'
_CORE = '{service_name="prunella"}'
"""Labels of what is Prunella's: other workers have metrics of the same names."""


def _ours(metric: str) -> str:
    return metric + (_CORE if metric.startswith("temporal_sdk_") else _OURS)


def _rate(counter: str, *labels: str, name: str = "") -> Query:
    legend = " ".join((name, *(f"{{{{{label}}}}}" for label in labels))).strip()
    return Query(f"sum by ({', '.join(labels)}) (rate({_ours(counter)}[$__rate_interval]))", legend)


def _slow(histogram: str, label: str, name: str = "") -> Query:
    buckets = f"sum by (le, {label}) (rate({_ours(histogram + '_bucket')}[$__rate_interval]))"
    return Query(f"histogram_quantile(0.9, {buckets})", f"{name} {{{{{label}}}}}".strip())


_WORKFLOWS = Row(
    "Workflows",
    (
        Panel(
            "Started and completed per second",
            (
                _rate("temporal_workflow_started_total", "workflow_type", name="begun:"),
                _rate("temporal_workflow_completed_total", "workflow_type", name="ended:"),
            ),
            width=8,
        ),
        Panel(
            "Failed share of those started in 5 minutes",
            (
                Query(
                    f"sum by (workflow_type) (rate(temporal_workflow_failed_total{_OURS}[5m]))"
                    f" / sum by (workflow_type) (rate(temporal_workflow_started_total{_OURS}[5m]))",
                    "{{workflow_type}}",
                ),
            ),
            unit="percentunit",
            about="Cancelled ones count. The dashed line is where HighWorkflowFailureRate begins.",
            width=8,
            steps=((0.1, RED),),
            line=True,
        ),
        Panel(
            "90th percentile of the duration",
            (_slow("temporal_workflow_duration_milliseconds", "workflow_type"),),
            unit="ms",
            width=8,
        ),
    ),
)
_ACTIVITIES = Row(
    "Activities",
    (
        Panel("Attempts per second", (_rate("temporal_activity_started_total", "activity_type"),), width=6),
        Panel(
            "Failures and retries per second",
            (
                _rate("temporal_activity_failed_total", "activity_type", name="failed:"),
                _rate("temporal_activity_retries_total", "activity_type", name="again:"),
            ),
            width=6,
        ),
        Panel(
            "Successful attempts per second",
            (_rate("temporal_activity_completed_total", "activity_type"),),
            width=6,
        ),
        Panel(
            "90th percentile of the duration",
            (_slow("temporal_activity_duration_milliseconds", "activity_type"),),
            unit="ms",
            width=6,
        ),
    ),
)
_QUEUE = Row(
    "The task queue and its workers",
    (
        Panel(
            "Waiting tasks",
            (Query(f"max by (task_queue, kind) (temporal_task_queue_depth{_OURS})", "{{task_queue}} {{kind}}"),),
            about="By Temporal's estimate. The dashed line is where TaskQueueBacklog begins.",
            width=8,
            steps=((1000, RED),),
            line=True,
        ),
        Panel(
            "Schedule-to-start time, 90th percentile",
            (
                _slow("temporal_sdk_workflow_task_schedule_to_start_latency_seconds", "task_queue", "workflow tasks:"),
                _slow("temporal_sdk_activity_schedule_to_start_latency_seconds", "task_queue", "activities:"),
            ),
            unit="s",
            width=8,
        ),
        Panel(
            "Pollers",
            (Query(f"sum by (poller_type) (temporal_sdk_num_pollers{_CORE})", "{{poller_type}}"),),
            width=8,
        ),
        Panel(
            "Used and available slots",
            (
                Query(
                    f"sum by (worker_type) (temporal_sdk_worker_task_slots_used{_CORE})"
                    f" / (sum by (worker_type) (temporal_sdk_worker_task_slots_used{_CORE})"
                    f" + sum by (worker_type) (temporal_sdk_worker_task_slots_available{_CORE}))",
                    "{{worker_type}}",
                ),
            ),
            unit="percentunit",
            width=8,
            most=1,
        ),
        Panel("Cached workflows", (Query(f"sum(temporal_sdk_sticky_cache_size{_CORE})", "cached"),), width=8),
        Panel(
            "Failed workflow tasks in 15 minutes",
            (
                Query(
                    "sum by (workflow_type, failure_reason) "
                    + counted(_ours("temporal_sdk_workflow_task_execution_failed_total"), "15m"),
                    "{{workflow_type}}: {{failure_reason}}",
                ),
            ),
            about="Such a workflow makes no progress.",
            width=8,
        ),
    ),
)
_SERVER = Row(
    "The server",
    (
        Panel("Calls per second", (_rate("temporal_sdk_request_total", "operation"),), width=8),
        Panel("Failed calls per second", (_rate("temporal_sdk_request_failure_total", "operation"),), width=8),
        Panel(
            "90th percentile of the latency",
            (_slow("temporal_sdk_request_latency_seconds", "operation"),),
            unit="s",
            width=8,
        ),
    ),
)

BOARD = Dashboard(
    "prunella-temporal",
    "Prunella: Temporal",
    "Workflows, activities, the task queue and its workers.",
    (_WORKFLOWS, _ACTIVITIES, _QUEUE, _SERVER),
    since="now-6h",
)
