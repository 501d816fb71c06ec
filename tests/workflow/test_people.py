"""Messages of people to a healing: approval, suspension, and questions about how it stands."""

from datetime import timedelta

import pytest
from builders import a_question, a_report, a_rollback, a_spec, a_step
from workflow.healing_env import HEALED, NOT_HEALED, SETTLING, ScriptedActivities, condition, seen, written

from prunella_workflows.healing.workflow import SelfHealing
from prunella_workflows.model.incident import Approval
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.model.outcome import Effect, GuardResult, Presence

YES = Approval(decision="Approved", by="alice@example.org", reason="go ahead")
NO = Approval(decision="Rejected", by="bob@example.org", reason="not on a Friday")


def _asking(**script):
    return ScriptedActivities(diagnose=a_question(), **script)


async def test_nothing_is_written_before_a_person_agrees(workflow_env):
    activities = _asking()
    async with workflow_env.healing_worker(activities):
        handle = await workflow_env.start_incident()
        await activities.wait_for_reason("ApprovalNeeded")
        waiting = activities.statuses[-1]
        assert (waiting.phase, condition(waiting, "Approved")) == (
            Phase.AWAITING_APPROVAL,
            ("Unknown", "ApprovalNeeded"),
        )
        assert "Set the memory limit of container app from 64Mi to 96Mi" in waiting.message
        assert activities.writes == []
        await handle.signal(SelfHealing.approve, YES)
        status = await handle.result()
    assert status.phase is Phase.HEALED
    assert condition(status, "Approved") == ("True", "Approved")
    assert len(activities.requests("confirm")) == 1  # the answer came at once: what was decided on is fresh


async def test_rejected(workflow_env):
    activities = _asking()
    async with workflow_env.healing_worker(activities):
        handle = await workflow_env.start_incident()
        await activities.wait_for_reason("ApprovalNeeded")
        await handle.signal(SelfHealing.approve, NO)
        status = await handle.result()
    assert (status.phase, status.reason) == (Phase.ESCALATED, "Rejected")
    assert status.message == "The repair was rejected by bob@example.org: not on a Friday"
    assert condition(status, "Approved") == ("False", "Rejected")
    assert activities.writes == []


async def test_nobody_answers_for_seven_days(workflow_env):
    activities = _asking()
    status = await workflow_env.run_incident(activities)
    assert (status.phase, status.reason) == (Phase.ESCALATED, "ApprovalTimedOut")
    assert status.times.closed_at - status.times.started_at >= timedelta(days=7)
    assert activities.writes == []


async def test_an_answer_in_the_incident_from_the_start(workflow_env):
    activities = _asking()
    status = await workflow_env.run_incident(activities, spec=a_spec(approval=YES))
    assert (status.phase, condition(status, "Approved")) == (Phase.HEALED, ("True", "Approved"))
    assert Phase.AWAITING_APPROVAL not in {one.phase for one in activities.statuses}


@pytest.mark.parametrize(("answer", "phase"), [(YES, Phase.HEALED), (NO, Phase.ESCALATED)], ids=["yes", "no"])
async def test_an_answer_before_the_question(workflow_env, answer, phase):
    handle = await workflow_env.start_incident()
    await handle.signal(SelfHealing.approve, answer)
    activities = _asking()
    async with workflow_env.healing_worker(activities):
        assert (await handle.result()).phase is phase


async def test_the_first_answer_counts(workflow_env):
    handle = await workflow_env.start_incident()
    await handle.signal(SelfHealing.approve, NO)
    await handle.signal(SelfHealing.approve, YES)
    activities = _asking()
    async with workflow_env.healing_worker(activities):
        assert (await handle.result()).reason == "Rejected"
    assert activities.writes == []


async def test_an_answer_that_nobody_asked_for_changes_nothing(workflow_env):
    activities = ScriptedActivities()
    status = await workflow_env.run_incident(activities, spec=a_spec(approval=NO))
    assert (status.phase, condition(status, "Approved")) == (Phase.HEALED, None)


async def test_an_answer_after_days_is_followed_by_another_look(workflow_env):
    recovered = seen(Presence.RECOVERED, "HealedByItself")
    activities = _asking(confirm=[seen(), recovered])
    async with workflow_env.healing_worker(activities):
        handle = await workflow_env.start_incident()
        await activities.wait_for_reason("ApprovalNeeded")
        await workflow_env.environment.sleep(timedelta(days=3))
        await handle.signal(SelfHealing.approve, YES)
        status = await handle.result()
    assert (status.phase, status.reason, activities.writes) == (Phase.RECOVERED, "HealedByItself", [])


async def test_an_answer_after_days_to_a_fault_that_persists_is_acted_on_after_a_new_diagnosis(workflow_env):
    activities = _asking()
    async with workflow_env.healing_worker(activities):
        handle = await workflow_env.start_incident()
        await activities.wait_for_reason("ApprovalNeeded")
        await workflow_env.environment.sleep(timedelta(days=3))
        await handle.signal(SelfHealing.approve, YES)
        status = await handle.result()
    assert status.phase is Phase.HEALED
    assert activities.order[:5] == ["confirm", "diagnose", "confirm", "diagnose", "repair"]
    assert activities.events.count("ApprovalNeeded") == 1
    assert activities.events.count("Approved") == 1


async def test_an_approval_is_told_once_whatever_the_number_of_attempts(workflow_env):
    activities = ScriptedActivities(diagnose=a_question(), verify=[NOT_HEALED, HEALED])
    await workflow_env.run_incident(activities, spec=a_spec(approval=YES))
    assert len(activities.requests("repair")) == 2
    assert activities.events.count("Approved") == 1


async def test_an_approval_covers_no_other_kind_of_repair(workflow_env):
    raise_first, rollback_next = a_question(), a_question(a_step(a_rollback()))
    activities = ScriptedActivities(diagnose=[raise_first, rollback_next], verify=NOT_HEALED)
    status = await workflow_env.run_incident(activities, spec=a_spec(approval=YES))
    assert (status.phase, status.reason) == (Phase.ESCALATED, "ActionNotApproved")
    assert len(activities.requests("repair")) == 1


async def test_suspended_then_resumed(workflow_env):
    activities = ScriptedActivities()
    async with workflow_env.healing_worker(activities):
        handle = await workflow_env.start_incident(spec=a_spec(suspend=True))
        await activities.wait_for_reason("Suspended")
        await workflow_env.environment.sleep(timedelta(hours=1))
        assert activities.writes == []
        await handle.signal(SelfHealing.suspend, arg=False)
        status = await handle.result()
    assert status.phase is Phase.HEALED
    assert activities.order[:5] == [
        "confirm",
        "diagnose",
        "confirm",
        "diagnose",
        "repair",
    ]  # an hour old: looked at again


async def test_suspended_by_a_signal_and_resumed_before_it_mattered(workflow_env):
    handle = await workflow_env.start_incident()
    await handle.signal(SelfHealing.suspend, arg=True)
    await handle.signal(SelfHealing.suspend, arg=False)
    activities = ScriptedActivities()
    async with workflow_env.healing_worker(activities):
        assert (await handle.result()).phase is Phase.HEALED
    assert "Suspended" not in {status.reason for status in activities.statuses}


def _suspending(workflow_env, answer):
    async def suspend(request):
        await workflow_env.handle.signal(SelfHealing.suspend, arg=True)
        return answer(request) if callable(answer) else answer

    return suspend


async def test_a_repair_under_way_is_finished_and_judged_although_suspended(workflow_env):
    activities = ScriptedActivities(repair=_suspending(workflow_env, written))
    status = await workflow_env.run_incident(activities)
    assert (status.phase, len(activities.writes)) == (Phase.HEALED, 1)
    assert "Suspended" not in {one.reason for one in activities.statuses}


async def test_suspended_during_the_verification_a_bad_repair_is_undone_and_nothing_else_is_tried(workflow_env):
    activities = ScriptedActivities(verify=[_suspending(workflow_env, SETTLING), NOT_HEALED, HEALED])
    async with workflow_env.healing_worker(activities):
        handle = await workflow_env.start_incident()
        await workflow_env.environment.sleep(timedelta(minutes=1))
        await activities.wait_for_reason("Suspended")
        assert activities.writes == ["uid-incident-1", "uid-incident-1-undo"]
        await handle.signal(SelfHealing.suspend, arg=False)
        assert (await handle.result()).phase is Phase.HEALED
    assert activities.writes[2:] == ["uid-incident-2"]


async def test_suspended_while_a_person_is_asked_it_waits_for_both(workflow_env):
    activities = _asking()
    async with workflow_env.healing_worker(activities):
        handle = await workflow_env.start_incident()
        await activities.wait_for_reason("ApprovalNeeded")
        await handle.signal(SelfHealing.suspend, arg=True)
        await handle.signal(SelfHealing.approve, YES)
        await activities.wait_for_reason("Suspended")
        assert activities.writes == []
        await handle.signal(SelfHealing.suspend, arg=False)
        assert (await handle.result()).phase is Phase.HEALED


async def test_suspended_while_a_guard_waits_it_stands_still_when_the_guard_lets_go(workflow_env):
    waiting = a_report(guards=(GuardResult(name="Guard", effect=Effect.WAIT, reason="Busy", message="busy"),))
    activities = ScriptedActivities(diagnose=[_suspending(workflow_env, waiting), a_report()])
    async with workflow_env.healing_worker(activities):
        handle = await workflow_env.start_incident()
        await activities.wait_for_reason("Busy")
        await workflow_env.environment.sleep(timedelta(minutes=1))
        await activities.wait_for_reason("Suspended")
        assert activities.writes == []
        await handle.signal(SelfHealing.suspend, arg=False)
        assert (await handle.result()).phase is Phase.HEALED


async def test_how_it_stands_can_be_asked_at_any_time(workflow_env):
    activities = _asking()
    async with workflow_env.healing_worker(activities):
        handle = await workflow_env.start_incident()
        await activities.wait_for_reason("ApprovalNeeded")
        state = await handle.query("getState")
        assert (state["phase"], state["rootCause"]) == ("AwaitingApproval", "pod_oom_killed")
        await handle.signal(SelfHealing.approve, YES)
        end = await handle.result()
        assert await handle.query(SelfHealing.get_state) == end
