"""Metrics of closed and open incidents, counted by the activity that writes their end. Labels are of bounded number."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import product
from typing import get_args

from prometheus_client import Counter, Gauge, Histogram

from prunella_operator.observability import tracing
from prunella_workflows.model.incident_status import IncidentStatus, Phase, Times
from prunella_workflows.model.outcome import SERVED_BY_EXISTING_PODS, Cause, Verdict
from prunella_workflows.model.plan import EvictPods, ReplicaAction, ResizePods, TemplateAction

_MINUTES = (1, 2.5, 5, 10, 15, 30, 60, 90, 120, 180, 300, 600, 900, 1800, 3600, 14_400)

CLOSED = Counter("prunella_incidents_closed", "Incidents that ended, by how and by root cause.", ["phase", "cause"])
REPAIRS = Counter("prunella_repairs", "Repairs that were judged, by action and verdict.", ["action", "verdict"])
UNDONE = Counter("prunella_repairs_undone", "Repairs that were taken back, by action.", ["action"])
UNPROVEN = Counter("prunella_repairs_unproven", "Repairs after which only earlier pods serve, by action.", ["action"])
NOT_UNDONE = Counter("prunella_undo_failures", "Incidents with a repair that could not be taken back.")
STAGES = Histogram(
    "prunella_stage_seconds",
    "How long a stage took: detection (from the fault), diagnosis, repair and heal (from the detection).",
    ["stage"],
    buckets=_MINUTES,
)
ACTIONS: tuple[str, ...] = tuple(
    arg.model_fields["kind"].default
    for arg in (*get_args(TemplateAction), *get_args(ReplicaAction), ResizePods, EvictPods)
)


def _begin() -> None:
    """Expose every series at 0 from the start: `increase` does not see the first event of a new series."""
    for phase, cause in product(Phase, ("none", *Cause)):
        if phase.closed:
            CLOSED.labels(phase.value, str(cause))
    for action in ACTIONS:
        UNDONE.labels(action)
        UNPROVEN.labels(action)
        for verdict in Verdict:
            REPAIRS.labels(action, verdict.value)
    for stage in ("detection", "diagnosis", "repair", "heal"):
        STAGES.labels(stage)


_begin()


def observe(status: IncidentStatus) -> None:
    """Count a closed incident. A report that is repeated because its response was lost counts again."""
    CLOSED.labels(status.phase.value, status.root_cause or "none").inc()
    for attempt in (made for made in status.attempts if not made.incident):
        if attempt.verdict:
            REPAIRS.labels(attempt.action, attempt.verdict).inc()
        if attempt.undone:
            UNDONE.labels(attempt.action).inc()
    if status.reason == SERVED_BY_EXISTING_PODS:
        UNPROVEN.labels(status.action).inc()
    if status.reason == "NotUndone":
        NOT_UNDONE.inc()
    for stage, seconds in _stages(status.times):
        STAGES.labels(stage).observe(seconds, tracing.exemplar())


def _stages(times: Times) -> Iterator[tuple[str, float]]:
    seen = times.detected_at or times.started_at
    pairs: tuple[tuple[str, datetime | None, datetime | None], ...] = (
        ("detection", times.fault_at, times.detected_at),
        ("diagnosis", seen, times.diagnosed_at),
        ("repair", seen, times.repaired_at),
        ("heal", seen, times.healed_at),
    )
    for stage, first, last in pairs:
        if first is not None and last is not None:
            yield stage, max(0.0, (last - first).total_seconds())


OPEN = Gauge("prunella_incidents_open", "Incidents that are not over, by phase.", ["phase"])
OLDEST = Gauge(
    "prunella_incident_oldest_seconds",
    "The age of the oldest incident of a phase, apart for those that wait as intended; 0 without one.",
    ["phase", "waiting"],
)


def observe_open(ages: Iterable[tuple[Phase, bool, float]]) -> None:
    """All incidents that are open now: phase, whether they wait as intended, and age in seconds."""
    found = defaultdict[tuple[Phase, bool], list[float]](list)
    for phase, waiting, age in ages:
        found[phase, waiting].append(age)
    for phase in Phase:
        if not phase.closed:
            OPEN.labels(phase.value).set(sum(len(found[phase, waiting]) for waiting in (True, False)))
            for waiting in (True, False):
                OLDEST.labels(phase.value, str(waiting).lower()).set(max(found[phase, waiting], default=0.0))


def forget_open() -> None:
    """Clear the gauges: another process counts them now."""
    OPEN.clear()
    OLDEST.clear()
