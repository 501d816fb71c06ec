"""Judge what happened after an observed incident. Pure functions: facts in; the aftermath, or None while not clear.

"It would have been healed" is said only if others made the planned change, and the workload was healthy after it for as
long as a recovery takes to count. What the cluster does not show is not known.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from prunella_operator.aftermath.case import Afterwards, LaterIncident, Observed
from prunella_operator.aftermath.change import Change, ChangeKind, find_change
from prunella_operator.incidents.deduplication import REOPEN_WINDOW, is_same_kind
from prunella_operator.kubernetes.views.pods import pod_view, stable_since
from prunella_operator.kubernetes.views.workloads import workload_view
from prunella_workflows.decisions.autonomy.lowest_level import SEEN_IN_PODS, is_measured, restarts_readers
from prunella_workflows.model.aftermath import Aftermath, AftermathOutcome
from prunella_workflows.model.incident import IncidentType
from prunella_workflows.model.workload import PodView, WorkloadView

HOLD = REOPEN_WINDOW
"""Health that lasted for less than this may be the pause between two crashes."""
LATE = timedelta(hours=1)
"""Later than this after the deadline, the health of now says nothing about then."""
_UNCLEAR = "Whether the fault is gone is not clear from its pods: look at the workload yourself."
_RECENT = "The change was made too recently to count: look at the workload in half an hour."
_CRASHES = frozenset({IncidentType.POD_CRASH_LOOP, IncidentType.OOM_KILLED})
"""The faults that a pod which has them shows for as long as it lives."""


class Health(NamedTuple):
    """The workload and its pods, and the time from which on all is well; None while it is not."""

    view: WorkloadView
    pods: tuple[PodView, ...]
    since: datetime | None


def read_health(after: Afterwards, *, changed: bool) -> Health:
    """The health of a workload that exists. A template that was changed must have reached all pods."""
    assert after.workload is not None
    view = workload_view(after.workload)
    pods = tuple(pod for pod in map(pod_view, after.pods) if pod.live)
    is_rolled_out = view.complete if changed else view.settled
    return Health(view, pods, stable_since(pods) if is_rolled_out else None)


def classify(observed: Observed, after: Afterwards) -> Aftermath | None:
    """The aftermath; None while more may happen, which is never after the deadline."""
    if after.workload is None:
        return _aftermath(after, AftermathOutcome.DELETED, "The workload was deleted.")
    if unseen := _unseen(observed):
        return _aftermath(after, AftermathOutcome.NOT_KNOWN, unseen)
    change = find_change(observed.step.action, observed.since, after)
    health = read_health(after, changed=change.kind not in (ChangeKind.NONE, ChangeKind.UNCLEAR))
    if _has_held(observed, after, change, health):
        return _judge_healthy(observed, after, change, health)
    if change.kind is ChangeKind.SAME and _came_back(observed, after, change, health):
        return _judge(after, change, health, AftermathOutcome.SAME_CHANGE_FAILED, "The fault came back after it.")
    return _judge_at_deadline(observed, after, change, health) if after.read_at >= observed.deadline else None


def _unseen(observed: Observed) -> str:
    """Why health of the pods would not show that this fault is gone; "" if it does."""
    if observed.kind not in SEEN_IN_PODS:
        return f"Pods do not show whether a fault of type {observed.kind} is gone: look at its measurements."
    if is_measured(observed.step.settle) or observed.has_checks:
        return "Measurements would have verified the plan, and those of that time are not kept: look into Prometheus."
    return ""


def _has_held(observed: Observed, after: Afterwards, change: Change, health: Health) -> bool:
    """Report whether it has been well for long enough, by its alert as well, and no incident followed."""
    begun = change.at or observed.closed_at
    if health.since is None or (observed.by_alert and observed.resolved is None):
        return False
    calm = max(begun, health.since, observed.resolved or begun)
    return after.read_at - calm >= HOLD and not _followers(after, begun, health)


def _judge_healthy(observed: Observed, after: Afterwards, change: Change, health: Health) -> Aftermath:
    unclear = _doubt(observed, after, change, health)
    if unclear or change.kind is ChangeKind.UNCLEAR:
        return _judge(after, change, health, AftermathOutcome.NOT_KNOWN, unclear or "It is healthy.")
    if change.kind is ChangeKind.NONE:
        return _judge(after, change, health, AftermathOutcome.RECOVERED, "It has recovered.")
    same = change.kind is ChangeKind.SAME
    outcome = AftermathOutcome.SAME_CHANGE if same else AftermathOutcome.OTHER_CHANGE
    return _judge(after, change, health, outcome, "It has been healthy since.")


def _doubt(observed: Observed, after: Afterwards, change: Change, health: Health) -> str:
    """Why health now does not show what made it healthy; "" if it does."""
    if change.kind is ChangeKind.NONE:
        if any(pod.created_at is not None and pod.created_at > observed.since for pod in health.pods):
            return "It is healthy, but by new pods, and who replaced the old ones is not recorded: ask its owners."
        return _late(observed, after)
    if after.well_unchanged:
        return "It was healthy before it was changed: its evidence shows since when."
    if change.at is None or change.at > observed.deadline:
        return "It was not changed within the time that counts; a longer aftermath_hours counts later changes."
    return _doubt_of_plan(observed, health) if change.kind is ChangeKind.SAME else ""


def _doubt_of_plan(observed: Observed, health: Health) -> str:
    """Why health after the planned change does not show that Prunella would have brought it; "" if it does."""
    if stopped_by := observed.stopped_by or observed.asked_by:
        guard = f"guard {stopped_by} would have stopped the plan"
        return f"It is healthy, but {guard}: see its reason in the status."
    if _may_follow_a_correction(observed, health):
        return "It is healthy, but its ConfigMaps or Secrets may have been corrected before: ask its owners."
    return ""


def _may_follow_a_correction(observed: Observed, health: Health) -> bool:
    """Report whether no pod is left that had read the ConfigMaps and Secrets of the time of the fault."""
    references, action = health.view.references, observed.step.action
    is_new = all(pod.created_at is not None and pod.created_at > observed.since for pod in health.pods)
    return restarts_readers(action, references) or (bool(references) and is_new)


def _late(observed: Observed, after: Afterwards) -> str:
    is_late = after.read_at > observed.deadline + LATE
    return "No operator ran when the time was over, so look at the workload yourself." if is_late else ""


def _came_back(observed: Observed, after: Afterwards, change: Change, health: Health) -> bool:
    """Report whether a fault of the same kind followed the change, once it has reached all pods."""
    if change.at is None or health.view.updated_replicas < health.view.total_replicas:
        return False
    return any(is_same_kind(later.kind, observed.kind) for later in _followers(after, change.at, health))


def _followers(after: Afterwards, since: datetime, health: Health) -> tuple[LaterIncident, ...]:
    """The incidents whose fault came later, but for crashes of pods that are replaced: those of now show their own."""
    has_crashed = any(at is not None and at > since for at in _ends(health))
    return tuple(one for one in after.later if one.at > since and (has_crashed or one.kind not in _CRASHES))


def _ends(health: Health) -> Iterator[datetime | None]:
    return (end.finished_at for pod in health.pods for one in pod.containers for end in one.terminations)


def _judge_at_deadline(observed: Observed, after: Afterwards, change: Change, health: Health) -> Aftermath:
    """The time is over, and it was not healthy for long enough."""
    if late := _late(observed, after):
        return _judge(after, change, health, AftermathOutcome.NOT_KNOWN, late)
    if not _is_failing(after, health) or change.kind is ChangeKind.UNCLEAR:
        return _judge(after, change, health, AftermathOutcome.NOT_KNOWN, _UNCLEAR)
    if change.kind is not ChangeKind.SAME:
        return _judge(after, change, health, AftermathOutcome.PERSISTED, "It is still failing.")
    if change.at is not None and after.read_at - change.at >= HOLD:
        return _judge(after, change, health, AftermathOutcome.SAME_CHANGE_FAILED, "It is still failing.")
    return _judge(after, change, health, AftermathOutcome.NOT_KNOWN, _RECENT)


def _is_failing(after: Afterwards, health: Health) -> bool:
    """Report whether a pod is not ready, or has crashed recently. Where no pods are wanted, none fails."""
    crashed = any(at is not None and after.read_at - at < HOLD for at in _ends(health))
    return crashed or health.view.available_replicas < health.view.replicas or not all(pod.ready for pod in health.pods)


def _judge(after: Afterwards, change: Change, health: Health, outcome: AftermathOutcome, verdict: str) -> Aftermath:
    since = f"All pods have been ready since {health.since:%Y-%m-%d %H:%M:%S} UTC." if health.since else ""
    changed = f"{change.message[:-1]} ({change.at:%Y-%m-%d %H:%M:%S} UTC)." if change.at else change.message
    facts = [changed, since or f"{health.view.available_replicas} of {health.view.replicas} replicas are available."]
    facts += [f"An incident followed: {one.kind} at {one.at:%Y-%m-%d %H:%M:%S} UTC." for one in after.later]
    return _aftermath(
        after, outcome, f"{change.message} {verdict}", tuple(facts), changed_at=change.at, healthy_since=health.since
    )


def _aftermath(
    after: Afterwards,
    outcome: AftermathOutcome,
    message: str,
    evidence: tuple[str, ...] = (),
    *,
    changed_at: datetime | None = None,
    healthy_since: datetime | None = None,
) -> Aftermath:
    return Aftermath(
        outcome=outcome,
        message=message,
        evidence=evidence,
        changed_at=changed_at,
        healthy_since=healthy_since,
        decided_at=after.read_at,
    )
