"""The trials of a closed incident: what its repairs and its observed plan proved. What proves nothing is no trial."""

from datetime import datetime

from prunella_workflows.decisions.autonomy.lowest_level import JUDGED_ACTIONS
from prunella_workflows.model.aftermath import Aftermath, AftermathOutcome
from prunella_workflows.model.autonomy import Trial
from prunella_workflows.model.incident_status import Attempt, IncidentStatus
from prunella_workflows.model.outcome import Verdict

_FAILED_VERDICTS = frozenset({Verdict.NOT_HEALED, Verdict.WORSE})
_SUCCEEDED_PLANS = frozenset({AftermathOutcome.SAME_CHANGE})
_FAILED_PLANS = frozenset({AftermathOutcome.SAME_CHANGE_FAILED, AftermathOutcome.OTHER_CHANGE})


def trials_of_repairs(incident: str, status: IncidentStatus, now: datetime) -> tuple[Trial, ...]:
    """The trials of an incident that ends. Healed counts where it is proven that the change did it."""
    proven = any(one.type == "Verified" and one.status == "True" for one in status.conditions)
    return trials_of_attempts(incident, status.attempts, now, proven=proven)


def trials_of_attempts(
    incident: str, attempts: tuple[Attempt, ...], now: datetime, *, proven: bool = False
) -> tuple[Trial, ...]:
    """The trials of attempts. One of an earlier incident whose ladder this one continues did not last: it failed."""
    judged = ((attempt, _has_succeeded(attempt, proven)) for attempt in attempts if attempt.written_at is not None)
    return tuple(
        Trial(
            id=attempt.action_id,
            action=attempt.action,
            succeeded=succeeded,
            incident=attempt.incident or incident,
            at=attempt.finished_at or now,
        )
        for attempt, succeeded in judged
        if succeeded is not None
    )


def _has_succeeded(attempt: Attempt, proven: bool) -> bool | None:
    """True for a repair that is proven to have healed, False for one that did not or was undone, None if unknown."""
    if attempt.undone or attempt.verdict in _FAILED_VERDICTS:
        return False
    return True if attempt.verdict == Verdict.HEALED and proven else None


def trial_of_plan(incident: str, action: str, aftermath: Aftermath) -> Trial | None:
    """The trial of an observed plan: people made the same change and it helped, or another one helped.

    Its id is of that change: all incidents that one change ended are one trial.
    """
    is_known = aftermath.outcome in _SUCCEEDED_PLANS | _FAILED_PLANS and action in JUDGED_ACTIONS
    if not is_known or aftermath.changed_at is None:
        return None
    return Trial(
        id=f"plan/{action}/{aftermath.changed_at.isoformat()}",
        action=action,
        succeeded=aftermath.outcome in _SUCCEEDED_PLANS,
        incident=incident,
        at=aftermath.decided_at,
    )
