"""The level that a track record has earned: as high as its lower bound allows, less one for each recent failure."""

from math import floor

from prunella_workflows.decisions.autonomy.confidence import is_above, lower_bound
from prunella_workflows.decisions.autonomy.track_record import of_workload
from prunella_workflows.model.autonomy import ActionRecord, AutonomyLevel, AutonomyNote, AutonomyRule, TrackRecord
from prunella_workflows.model.workload import WorkloadRef

_UNJUDGED = "Approval is the lowest level here, because an observed plan of it is never found to succeed."
_LEVELS = (AutonomyLevel.OBSERVE, AutonomyLevel.APPROVAL, AutonomyLevel.HEAL)


def judge(
    record: TrackRecord,
    rule: AutonomyRule,
    target: WorkloadRef,
    action: str,
    lowest: AutonomyLevel = AutonomyLevel.OBSERVE,
) -> AutonomyNote:
    """The level of an action on a workload, with its reasons. A record of a deleted namesake counts for nothing."""
    if not action:
        return AutonomyNote(level=AutonomyLevel.OBSERVE, message="No repair is planned.", workload_uid=target.uid)
    known = of_workload(record, target).actions.get(action, ActionRecord())
    strikes = count_strikes(known, rule)
    earned = _LEVELS[max(0, _LEVELS.index(proven_level(known, rule)) - strikes)]
    level = max(earned, lowest, key=_LEVELS.index)
    demotion, floor = _demotion(known, rule, strikes), "" if level is earned else _UNJUDGED
    return AutonomyNote(
        action=action,
        level=level,
        message=" ".join(filter(None, (record.problem, _describe(known, rule, level), demotion, floor))),
        successes=known.successes,
        failures=known.failures,
        workload_uid=target.uid,
        lowest=lowest,
    )


def proven_level(record: ActionRecord, rule: AutonomyRule) -> AutonomyLevel:
    """The highest level whose bar the lower bound of the success rate passes."""
    approval, heal, confidence = _bars(rule)
    if is_above(heal, record.successes, record.failures, confidence):
        return AutonomyLevel.HEAL
    passed = is_above(approval, record.successes, record.failures, confidence)
    return AutonomyLevel.APPROVAL if passed else AutonomyLevel.OBSERVE


def count_strikes(record: ActionRecord, rule: AutonomyRule) -> int:
    """The failures since the last clean run, each of which costs a level."""
    assert rule.clean_run is not None
    strikes = run = 0
    for trial in reversed(record.latest):
        run = run + 1 if trial.succeeded else 0
        strikes += not trial.succeeded
        if run == rule.clean_run:
            break
    return strikes


def _bars(rule: AutonomyRule) -> tuple[float, float, float]:
    """The bars of Approval and Heal, and the confidence. Heal never needs less than Approval."""
    assert rule.approval_above is not None
    assert rule.heal_above is not None
    assert rule.confidence is not None
    return rule.approval_above, max(rule.heal_above, rule.approval_above), rule.confidence


def _describe(record: ActionRecord, rule: AutonomyRule, level: AutonomyLevel) -> str:
    approval, heal, confidence = _bars(rule)
    bound = floor(lower_bound(record.successes, record.failures, confidence) * 100) / 100
    trials = record.successes + record.failures
    text = f"{record.successes} of {trials} verified repairs and observed plans succeeded"
    text += f": a success rate above {bound:.2f} with {confidence:.0%} confidence." if trials else "."
    needed = "" if level is AutonomyLevel.HEAL else f" Approval needs {approval:g}, Heal {heal:g}."
    return text + needed


def _demotion(record: ActionRecord, rule: AutonomyRule, strikes: int) -> str:
    if not strikes:
        return ""
    last = next(trial for trial in reversed(record.latest) if not trial.succeeded)
    what = (
        f"{strikes} failure{'s' * (strikes > 1)}, the last in incident {last.incident} ({last.at:%Y-%m-%d %H:%M} UTC)"
    )
    return f"Lowered by {what}, until {rule.clean_run} in a row succeed."
