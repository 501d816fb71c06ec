"""Go on with the ladder of an earlier incident whose fault is back: what it left in force is replaced or undone."""

from prunella_workflows.decisions.diagnosis.relapse import EarlierRepair
from prunella_workflows.decisions.playbooks.playbook import PlanCase, precondition
from prunella_workflows.model.incident_status import Attempt
from prunella_workflows.model.outcome import SERVED_BY_EXISTING_PODS
from prunella_workflows.model.plan import Plan, RestoreTemplate, SetMemory, Step

_MAX_RELAPSES = 1


def resume(plan: Plan, case: PlanCase) -> Plan:
    """The plan after a relapse: its next step, or the undo of what did not last. The same plan if nothing relapsed."""
    names = earlier_incidents(case.tried)
    if len(names) > _MAX_RELAPSES:
        plan = _relapsed_again(names, case)
    if case.in_force is None:
        return plan
    return _replace(plan, case.in_force) if plan.steps else _undo(plan, case)


def earlier_incidents(tried: tuple[Attempt, ...]) -> tuple[str, ...]:
    """The names of the earlier incidents whose ladder goes on, oldest first."""
    return tuple(dict.fromkeys(attempt.incident for attempt in tried if attempt.incident))


def _relapsed_again(names: tuple[str, ...], case: PlanCase) -> Plan:
    history = "; ".join(f"{attempt.incident or 'this one'}: {attempt.action}" for attempt in case.tried)
    return Plan(
        reason="RelapsedAgain",
        message=f"{case.diagnosis.message} It was repaired in {len(names)} incidents and came back ({history}).",
        next_step="Find the underlying cause: these repairs only gained time.",
    )


def _replace(plan: Plan, held: EarlierRepair) -> Plan:
    """The plan whose template changes are undone to the owner's template, not to the repair that did not last."""
    steps = tuple(
        step.model_copy(update={"action": step.action.model_copy(update={"undo_to": held.before})})
        if isinstance(step.action, SetMemory | RestoreTemplate)
        else step
        for step in plan.steps
    )
    return plan.model_copy(update={"steps": steps})


def _undo(plan: Plan, case: PlanCase) -> Plan:
    """The undo of what did not last, before people are called; without it, what is still in force is named."""
    held = case.in_force
    assert held is not None
    repair = f"{held.attempt.action} of {held.attempt.incident or 'a former run'}"
    if not _may_undo(held, case):
        return plan.model_copy(update={"message": f"{plan.message} {repair} is still in force."})
    action = RestoreTemplate(
        target=case.findings.evidence.workload.ref,
        require=precondition(case.findings.evidence),
        revision=held.before,
        description=f"the template before {repair}",
    )
    step = Step(action=action, why=f"{repair} did not last")
    return plan.model_copy(update={"steps": (step,), "undoes": True, "message": f"{plan.message} {repair} is undone."})


def _may_undo(held: EarlierRepair, case: PlanCase) -> bool:
    """Only a relapse proves that a repair did not last. The undo of a rollback also brings back a release that failed:
    only if no pod serves, or nothing proved it guilty.
    """
    evidence = case.findings.evidence
    earlier = next((other for other in evidence.incidents if other.name == held.attempt.incident), None)
    unproven = earlier is not None and earlier.reason == SERVED_BY_EXISTING_PODS
    harmless = held.attempt.action == SetMemory.__name__ or unproven or not evidence.workload.available_replicas
    return bool(held.attempt.incident) and harmless
