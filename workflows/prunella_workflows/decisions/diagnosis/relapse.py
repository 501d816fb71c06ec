"""Relapses: the fault of an incident that ended well is back, and the workload is still as that incident left it.

The next incident goes on where the earlier one ended, so that a repair that did not last is neither kept nor repeated.
Saturation is no relapse: more load later does not prove that the first scale-out was wrong.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from prunella_workflows.decisions.diagnosis.saturation import saturated_resource
from prunella_workflows.model.evidence import Evidence, IncidentSummary
from prunella_workflows.model.incident_status import Attempt, Phase
from prunella_workflows.model.labels import AFTER, BEFORE
from prunella_workflows.model.outcome import Cause, Verdict
from prunella_workflows.model.plan import Restart, RestoreTemplate, SetMemory
from prunella_workflows.model.workload import RevisionRef

_TEMPLATE_ACTIONS = (SetMemory.__name__, RestoreTemplate.__name__, Restart.__name__)
_UNDO = "-undo"
_ENDED_WELL = (Phase.HEALED, Phase.RECOVERED)


class EarlierRepair(NamedTuple):
    """A repair that did not last and that the workload still has, unchanged; `before` is the template it replaced."""

    attempt: Attempt
    before: RevisionRef


def find_earlier_attempts(evidence: Evidence, cause: Cause, window: float) -> tuple[Attempt, ...]:
    """The attempts to go on from: those of the latest incident that ended well in `window` seconds before this one."""
    since = evidence.opened_at - timedelta(seconds=window)
    ended = [other for other in evidence.incidents if _ended_well(other, evidence) and _end(other) > since]
    last = max(ended, key=_end, default=None)
    if last is None or not _is_same_fault(last, evidence, cause) or not _is_as_left(last.attempts[-1], evidence):
        return ()
    *before, latest = (_did_not_last(attempt, last.name) for attempt in last.attempts)
    undone = latest.undone or evidence.workload.last_action.endswith(_UNDO)  # by an incident in between
    return (*before, latest.model_copy(update={"undone": undone}))


def find_repair_in_force(evidence: Evidence, tried: tuple[Attempt, ...]) -> EarlierRepair | None:
    """The last of the attempts, if it can be undone exactly: the workload still has it unchanged."""
    name = evidence.workload.annotations.get(BEFORE, "")
    if not tried or not name or tried[-1].undone or tried[-1].action == Restart.__name__:
        return None
    if tried[-1].action_id != evidence.workload.last_action or not _is_as_left(tried[-1], evidence):
        return None
    before = RevisionRef(source="Snapshot", name=name, template_hash=name.rpartition("-")[2])
    return EarlierRepair(tried[-1], before)


def find_unjudged(evidence: Evidence, tried: tuple[Attempt, ...]) -> datetime | None:
    """The time of the last repair, if the workflow was lost before it was judged and it is still in force."""
    if not tried or tried[-1].verdict != Verdict.INCONCLUSIVE or tried[-1].action_id != evidence.workload.last_action:
        return None
    return tried[-1].written_at


def _ended_well(other: IncidentSummary, evidence: Evidence) -> bool:
    same = (other.workload, other.namespace) == (str(evidence.workload.ref), evidence.workload.ref.namespace)
    ended = other.phase in _ENDED_WELL and other.closed_at is not None
    return same and other.name != evidence.incident_name and ended and bool(other.attempts)


def _end(other: IncidentSummary) -> datetime:
    assert other.closed_at is not None
    return other.closed_at


def _is_same_fault(other: IncidentSummary, evidence: Evidence, cause: Cause) -> bool:
    """Report whether it is the same trouble: the same symptom or cause, of the same container where both name one."""
    spec = evidence.incident
    if saturated_resource(spec.type) is not None:
        return False
    other_container = other.container and spec.container_name and other.container != spec.container_name
    return not other_container and (other.type == spec.type or other.root_cause == cause)


def _is_as_left(attempt: Attempt, evidence: Evidence) -> bool:
    """Report whether this attempt, or its undo, was the last change of the template."""
    workload = evidence.workload
    unchanged = workload.annotations.get(AFTER) == workload.template_hash
    ours = workload.last_action.removesuffix(_UNDO) == attempt.action_id
    return attempt.action in _TEMPLATE_ACTIONS and ours and unchanged


def _did_not_last(attempt: Attempt, incident: str) -> Attempt:
    """The attempt as the next incident sees it: it seemed to help, but the fault is back."""
    if attempt.verdict != Verdict.HEALED:
        return attempt.model_copy(update={"incident": attempt.incident or incident, "diff": ""})
    message = "It helped at first, but the fault came back."
    update = {"incident": attempt.incident or incident, "verdict": Verdict.NOT_HEALED, "message": message}
    return attempt.model_copy(update=update)
