"""Counts of workflows and activities, by type.

The SDK's own metrics cannot replace them: it counts neither started workflows nor retries, keeps cancelled workflows
apart from failed ones, and begins no series at 0, so that `increase` would miss the first failure.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import product
from time import monotonic
from typing import Any, NamedTuple

from prometheus_client import Counter, Histogram
from temporalio import activity
from temporalio.client import Interceptor as ClientInterceptor
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, WorkflowInterceptorClassInput
from temporalio.worker import Interceptor as WorkerInterceptor

from prunella_operator.observability.once import Once
from prunella_workflows.temporal.metrics import COUNT, RunEvent, WorkflowCounts

_WORKFLOW_BUCKETS = (100, 500, 1e3, 5e3, 15e3, 30e3, 60e3, 120e3, 300e3, 600e3, 900e3, 1800e3, 3600e3, 86_400e3)
_ACTIVITY_BUCKETS = (5, 10, 25, 50, 100, 250, 500, 1e3, 2.5e3, 5e3, 10e3, 30e3, 60e3, 300e3)
_WORKFLOW, _TYPE = ("workflow_type", "task_queue"), ("activity_type", "task_queue")

WORKFLOWS_STARTED = Counter("temporal_workflow_started", "Workflows that began here.", _WORKFLOW)
WORKFLOWS_COMPLETED = Counter("temporal_workflow_completed", "Workflows that ended well here.", _WORKFLOW)
WORKFLOWS_FAILED = Counter("temporal_workflow_failed", "Workflows that failed or were cancelled here.", _WORKFLOW)
WORKFLOW_TIME = Histogram(
    "temporal_workflow_duration_milliseconds",
    "From the start of a workflow to its end.",
    _WORKFLOW,
    buckets=_WORKFLOW_BUCKETS,
)
ACTIVITIES_STARTED = Counter("temporal_activity_started", "Attempts of activities that began here.", _TYPE)
ACTIVITIES_COMPLETED = Counter("temporal_activity_completed", "Attempts of activities that ended well here.", _TYPE)
ACTIVITIES_FAILED = Counter("temporal_activity_failed", "Attempts of activities that failed here.", _TYPE)
ACTIVITY_RETRIES = Counter("temporal_activity_retries", "Attempts of activities after the first one.", _TYPE)
ACTIVITY_TIME = Histogram(
    "temporal_activity_duration_milliseconds", "How long an attempt took.", _TYPE, buckets=_ACTIVITY_BUCKETS
)


class CountingInterceptor(ClientInterceptor, WorkerInterceptor):
    """Counts workflows and activities. Workers inherit it from their client."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        """Count each attempt."""
        return _Activity(next)

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowCounts]:  # noqa: A002
        """Count each run once, regardless of replays."""
        input.unsafe_extern_functions[COUNT] = count
        return WorkflowCounts


class _Activity(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - the SDK's name
        info = activity.info()
        with _measure(info.activity_type, info.task_queue, info.attempt):
            return await super().execute_activity(input)


class _Series(NamedTuple):
    started: Counter
    completed: Counter
    failed: Counter
    retries: Counter
    milliseconds: Histogram


@cache
def _series(kind: str, queue: str) -> _Series:
    """The series of a type of activities. All begin at 0 together, so that `increase` sees the first failure."""
    return _Series(
        ACTIVITIES_STARTED.labels(kind, queue),
        ACTIVITIES_COMPLETED.labels(kind, queue),
        ACTIVITIES_FAILED.labels(kind, queue),
        ACTIVITY_RETRIES.labels(kind, queue),
        ACTIVITY_TIME.labels(kind, queue),
    )


@contextmanager
def _measure(kind: str, queue: str, attempt: int) -> Iterator[None]:
    series = _series(kind, queue)
    series.started.inc()
    series.retries.inc(attempt > 1)
    began = monotonic()
    try:
        yield
    except BaseException:
        series.failed.inc()
        raise
    else:
        series.completed.inc()
    finally:
        series.milliseconds.observe(1000 * (monotonic() - began))


_RUNS: dict[RunEvent, Counter] = {
    "started": WORKFLOWS_STARTED,
    "completed": WORKFLOWS_COMPLETED,
    "failed": WORKFLOWS_FAILED,
}
_counted_events = Once()


def expose(kinds: Iterable[str], queue: str) -> None:
    """Expose the series of these types of workflows at 0, so that `rate` and `increase` see the first event."""
    for kind, counter in product(kinds, _RUNS.values()):
        counter.labels(kind, queue)


def count(run_id: str, kind: str, queue: str, event: RunEvent, seconds: float) -> None:
    """Count a workflow run that began, or ended after so many seconds."""
    if _counted_events.first(f"{run_id} {event == 'started'}"):
        _RUNS[event].labels(kind, queue).inc()
        if event != "started":
            WORKFLOW_TIME.labels(kind, queue).observe(1000 * seconds)
