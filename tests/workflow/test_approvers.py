"""The people who may answer: the policy names them, and checked at each answer and before each write."""

from datetime import timedelta

import pytest
from builders import a_question, a_spec
from workflow.healing_env import HEALED, NOT_HEALED, ScriptedActivities, condition, raised, written

from prunella_workflows.healing.workflow import SelfHealing
from prunella_workflows.model.errors import ChangedSince
from prunella_workflows.model.incident import Approval
from prunella_workflows.model.incident_status import Phase

ALICE = Approval(decision="Approved", by="alice", reason="go ahead")
BOB = Approval(decision="Approved", by="bob")
BOB_OF_SRE = Approval(decision="Approved", by="bob", groups=("sre",))
BOBS_NO = Approval(decision="Rejected", by="bob")


def asking(*approvers, **values):
    return a_question(approvers=approvers, **values)


def notes(activities, reason):
    found = [one for _, request in activities.calls for one in getattr(request, "events", ()) if one.reason == reason]
    return [one.note for one in found]


async def test_an_answer_by_somebody_else_is_told_and_does_not_count(workflow_env):
    activities = ScriptedActivities(diagnose=asking("alice", "group:sre"))
    async with workflow_env.healing_worker(activities):
        handle = await workflow_env.start_incident()
        await activities.wait_for_reason("ApprovalNeeded")
        await handle.signal(SelfHealing.approve, BOB)
        await activities.wait_for_reason("NotAnApprover")
        status = activities.statuses[-1]
        assert (status.phase, condition(status, "Approved")) == (Phase.AWAITING_APPROVAL, ("Unknown", "NotAnApprover"))
        assert status.message.startswith(
            "bob may not approve (Approved); waiting for alice or group:sre: Set the memory"
        )
        assert activities.writes == []
        await handle.signal(SelfHealing.approve, ALICE)
        status = await handle.result()
    assert (status.phase, condition(status, "Approved")) == (Phase.HEALED, ("True", "Approved"))
    assert [one.answer for one in activities.requests("repair")] == [ALICE]
    assert len(notes(activities, "NotAnApprover")) == 1


async def test_nor_does_his_refusal(workflow_env):
    activities = ScriptedActivities(diagnose=asking("alice"))
    async with workflow_env.healing_worker(activities):
        handle = await workflow_env.start_incident()
        await activities.wait_for_reason("ApprovalNeeded")
        await handle.signal(SelfHealing.approve, BOBS_NO)
        await activities.wait_for_reason("NotAnApprover")
        await handle.signal(SelfHealing.approve, ALICE)
        assert (await handle.result()).phase is Phase.HEALED


@pytest.mark.parametrize("answer", [BOB_OF_SRE, ALICE], ids=["of the group", "by name"])
async def test_one_that_is_named_answers_from_the_start(workflow_env, answer):
    activities = ScriptedActivities(diagnose=asking("user:alice", "group:sre"))
    status = await workflow_env.run_incident(activities, spec=a_spec(approval=answer))
    assert status.phase is Phase.HEALED
    assert "NotAnApprover" not in {one.reason for one in activities.statuses}


async def test_one_that_is_not_named_does_not_count_from_the_start_either(workflow_env):
    activities = ScriptedActivities(diagnose=asking("alice"))
    async with workflow_env.healing_worker(activities):
        handle = await workflow_env.start_incident(spec=a_spec(approval=BOB))
        await activities.wait_for_reason("NotAnApprover")
        assert activities.writes == []
        await handle.signal(SelfHealing.approve, BOB)  # the same answer again changes nothing
        await handle.signal(SelfHealing.approve, ALICE)
        assert (await handle.result()).phase is Phase.HEALED
    assert len(notes(activities, "NotAnApprover")) == 1


async def test_of_two_answers_that_came_together_the_one_that_may_counts(workflow_env):
    handle = await workflow_env.start_incident()
    await handle.signal(SelfHealing.approve, BOBS_NO)
    await handle.signal(SelfHealing.approve, ALICE)
    activities = ScriptedActivities(diagnose=asking("alice"))
    async with workflow_env.healing_worker(activities):
        assert (await handle.result()).phase is Phase.HEALED


async def test_the_list_is_read_again_for_an_answer_that_comes_after_days(workflow_env):
    """Bob was not named when the question was asked; he is when he answers."""
    activities = ScriptedActivities(diagnose=[asking("alice"), asking("alice", "bob")])
    async with workflow_env.healing_worker(activities):
        handle = await workflow_env.start_incident()
        await activities.wait_for_reason("ApprovalNeeded")
        await workflow_env.environment.sleep(timedelta(days=1))
        await handle.signal(SelfHealing.approve, BOB)
        assert (await handle.result()).phase is Phase.HEALED
    assert activities.order[:5] == ["confirm", "diagnose", "confirm", "diagnose", "repair"]


async def test_who_is_named_no_more_when_it_would_be_made_is_told_so(workflow_env):
    activities = ScriptedActivities(diagnose=[asking("alice"), asking("carol")])
    async with workflow_env.healing_worker(activities):
        handle = await workflow_env.start_incident()
        await activities.wait_for_reason("ApprovalNeeded")
        await workflow_env.environment.sleep(timedelta(days=1))
        await handle.signal(SelfHealing.approve, ALICE)
        await activities.wait_for_reason("NotAnApprover")
        assert activities.writes == []
        await handle.signal(SelfHealing.approve, Approval(decision="Rejected", by="carol"))
        assert (await handle.result()).reason == "Rejected"


async def test_a_right_that_was_taken_away_at_the_last_moment_stops_the_write(workflow_env):
    """The repair activity reads the policy once more."""
    gone = raised(ChangedSince("guard Approval holds now: alice may not approve here; carol may."))
    activities = ScriptedActivities(diagnose=[asking("alice"), asking("carol")], repair=[gone, written])
    async with workflow_env.healing_worker(activities):
        handle = await workflow_env.start_incident(spec=a_spec(approval=ALICE))
        await activities.wait_for_reason("NotAnApprover")
        await handle.signal(SelfHealing.approve, Approval(decision="Approved", by="carol"))
        status = await handle.result()
    assert (status.phase, [attempt.verdict for attempt in status.attempts]) == (Phase.HEALED, ["NotApplied", "Healed"])


async def test_answers_that_do_not_count_do_not_make_it_wait_longer(workflow_env):
    activities = ScriptedActivities(diagnose=asking("alice", approval_timeout=86400.0))
    async with workflow_env.healing_worker(activities):
        handle = await workflow_env.start_incident()
        await activities.wait_for_reason("ApprovalNeeded")
        for number in range(3):
            await workflow_env.environment.sleep(timedelta(hours=7))
            await handle.signal(SelfHealing.approve, Approval(decision="Approved", by="bob", reason=str(number)))
        status = await handle.result()
    assert (status.phase, status.reason) == (Phase.ESCALATED, "ApprovalTimedOut")
    assert timedelta(hours=24) <= status.times.closed_at - status.times.started_at < timedelta(hours=25)


async def test_a_contradicting_answer_after_the_first_is_told_and_changes_nothing(workflow_env):
    async def answered_again(_request):
        await workflow_env.handle.signal(SelfHealing.approve, BOBS_NO)
        await workflow_env.handle.signal(SelfHealing.approve, BOBS_NO)
        await workflow_env.handle.signal(SelfHealing.approve, ALICE)
        return HEALED

    activities = ScriptedActivities(diagnose=a_question(), verify=answered_again)
    status = await workflow_env.run_incident(activities, spec=a_spec(approval=ALICE))
    assert (status.phase, condition(status, "Approved")) == (Phase.HEALED, ("True", "Approved"))
    assert notes(activities, "AnswerIgnored") == ["Rejected by bob came too late: Approved by alice counts."]


async def test_an_answer_covers_the_next_try_of_the_same_kind_too(workflow_env):
    activities = ScriptedActivities(diagnose=asking("alice"), verify=[NOT_HEALED, HEALED])
    await workflow_env.run_incident(activities, spec=a_spec(approval=ALICE))
    assert [one.answer for one in activities.requests("repair")] == [ALICE, ALICE]
    assert [one.answer for one in activities.requests("diagnose")] == [ALICE, ALICE]
