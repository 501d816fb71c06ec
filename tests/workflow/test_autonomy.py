"""The level that an action has earned is obeyed: Observe shows the plan, Approval waits for a person, Heal writes."""

from builders import WEB, a_guard_case, a_policy, a_report, an_attempt
from workflow.healing_env import HEALED, NOT_HEALED, ScriptedActivities

from prunella_workflows.decisions import guards
from prunella_workflows.healing.workflow import SelfHealing
from prunella_workflows.model.autonomy import AutonomyNote
from prunella_workflows.model.incident import Approval
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.model.policy_escalation import EscalationRule

RULE = {"enabled": True}


def reported(level, lowest="Observe", **case):
    """The diagnosis of an action of this level, with what the guards say to it."""
    words = {"message": "7 of 7 succeeded.", "workload_uid": WEB.uid}
    note = AutonomyNote(action="SetMemory", level=level, lowest=lowest, **words)
    found = a_guard_case(policy=a_policy(autonomy=RULE), autonomy=note, **case)
    return a_report(
        guards=guards.evaluate(guards.GUARDS, found),
        approval_needed=guards.approval_needed(found),
        autonomy=note,
        escalation=EscalationRule(),
    )


async def test_observe_shows_the_plan_and_writes_nothing(workflow_env):
    activities = ScriptedActivities(diagnose=reported("Observe"))
    status = await workflow_env.run_incident(activities)
    assert (status.phase, status.reason, activities.writes) == (Phase.DRY_RUN_DONE, "NotEarned", [])
    assert status.message.startswith("Would do: Set the memory limit of container app")
    assert (status.autonomy.level, status.autonomy.message) == ("Observe", "7 of 7 succeeded.")


async def test_approval_waits_for_a_person(workflow_env):
    activities = ScriptedActivities(diagnose=reported("Approval", lowest="Approval"))
    async with workflow_env.healing_worker(activities):
        handle = await workflow_env.start_incident()
        await activities.wait_for_reason("ApprovalNeeded")
        assert activities.writes == []
        await handle.signal(SelfHealing.approve, Approval(decision="Approved", by="alice"))
        status = await handle.result()
    assert (status.phase, len(activities.writes)) == (Phase.HEALED, 1)
    assert status.autonomy.level == "Approval"
    assert [order.lowest for order in activities.requests("repair")] == ["Approval"]


async def test_heal_writes(workflow_env):
    activities = ScriptedActivities(diagnose=reported("Heal"))
    status = await workflow_env.run_incident(activities)
    assert (status.phase, len(activities.writes), status.autonomy.level) == (Phase.HEALED, 1, "Heal")


async def test_a_repair_that_does_not_help_ends_with_a_person_and_not_as_observed(workflow_env):
    """The failed repair costs its level at once; the incident must not end as if nothing had been written."""
    lowered = reported("Observe", tried=True)
    activities = ScriptedActivities(diagnose=[reported("Heal"), lowered], verify=[NOT_HEALED, HEALED])
    status = await workflow_env.run_incident(activities)
    assert (status.phase, status.reason) == (Phase.ESCALATED, "NotEarned")
    assert [attempt.undone for attempt in status.attempts] == [True]
    assert status.attempts[0].verdict == an_attempt().verdict
