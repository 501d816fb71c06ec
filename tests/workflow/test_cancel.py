"""Cancelled at every moment: nothing is left half done, nothing new is begun, and the end is reported.

The moment is chosen from inside the activity that is under way then.
"""

import pytest
from builders import a_question, a_report, a_spec
from temporalio.client import WorkflowHandle
from workflow.healing_env import (
    HEALED,
    NOT_HEALED,
    SETTLING,
    ScriptedActivities,
    cancel_and_see,
    condition,
    ending,
    handle_of,
    healing_worker,
    idle,
    raised,
    seen,
    start_dev_server,
    start_incident,
    unanswered,
    written,
)

from prunella_workflows.contracts import healing
from prunella_workflows.contracts.options import NON_IDEMPOTENT, Options
from prunella_workflows.model.errors import ChangedSince, Held, Refused, Unavailable
from prunella_workflows.model.incident import Approval
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.model.outcome import Effect, GuardResult, Presence

BUSY = GuardResult(name="Concurrency", effect=Effect.WAIT, reason="NamespaceBusy", message="5 repairs run here.")
WRITTEN_AND_UNDONE = ["uid-incident-1", "uid-incident-1-undo"]


def _cancelling(handle, cancel):
    """An outcome: cancel now, then answer."""

    def outcome(answer):
        async def act(call):
            await cancel(handle)
            return answer(call) if callable(answer) else answer

        return act

    return outcome


@pytest.fixture(params=[WorkflowHandle.cancel, cancel_and_see], ids=["at once", "seen"])
def cancelling(workflow_env, request):
    """For activities that are carried through: cancelled before the workflow took notice of it, and after."""
    return _cancelling(workflow_env.handle, request.param)


@pytest.fixture
def interrupting(workflow_env):
    """For all other activities, which are given up as soon as the workflow takes notice."""
    return _cancelling(workflow_env.handle, cancel_and_see)


async def _follow_script(workflow_env, activities, ends="Cancelled", **values):
    """The last status that was told."""
    async with workflow_env.healing_worker(activities):
        assert await ending(await workflow_env.start_incident(**values)) == ends
    return activities.statuses[-1]


def _is_cancelled(status):
    return (status.phase, status.reason, condition(status, "Succeeded")) == (
        Phase.CANCELLED,
        "Cancelled",
        ("False", "Cancelled"),
    )


async def test_before_it_began(workflow_env):
    handle = await workflow_env.start_incident()
    await handle.cancel()
    activities = ScriptedActivities()
    async with workflow_env.healing_worker(activities):
        assert await ending(handle) == "Cancelled"
    assert _is_cancelled(activities.statuses[-1])
    assert activities.order == ["close"]


@pytest.mark.parametrize("answer", [seen(), seen(Presence.WATCHING, "Watching")], ids=["failing", "watching"])
async def test_while_confirming(workflow_env, interrupting, answer):
    activities = ScriptedActivities(confirm=interrupting(answer))
    status = await _follow_script(workflow_env, activities)
    assert _is_cancelled(status)
    assert activities.order == ["confirm", "close"]
    assert status.times.closed_at is not None


async def test_while_diagnosing(workflow_env, interrupting):
    activities = ScriptedActivities(diagnose=interrupting(a_report()))
    assert _is_cancelled(await _follow_script(workflow_env, activities))
    assert activities.writes == []


async def test_while_waiting_for_approval(workflow_env):
    activities = ScriptedActivities(diagnose=a_question())
    async with workflow_env.healing_worker(activities):
        handle = await workflow_env.start_incident()
        await activities.wait_for_reason("ApprovalNeeded")
        await idle(handle)
        await handle.cancel()
        assert await ending(handle) == "Cancelled"
    assert _is_cancelled(activities.statuses[-1])
    assert activities.order == ["confirm", "diagnose", "close"]


async def test_while_an_answer_that_does_not_count_is_turned_away(workflow_env):
    activities = ScriptedActivities(diagnose=a_question(approvers=("alice",)))
    async with workflow_env.healing_worker(activities):
        handle = await workflow_env.start_incident(spec=a_spec(approval=Approval(decision="Approved", by="bob")))
        await activities.wait_for_reason("NotAnApprover")
        await idle(handle)
        await handle.cancel()
        assert await ending(handle) == "Cancelled"
    assert _is_cancelled(activities.statuses[-1])
    assert activities.writes == []


async def test_while_a_guard_waits(workflow_env):
    activities = ScriptedActivities(diagnose=a_report(guards=(BUSY,)))
    async with workflow_env.healing_worker(activities):
        handle = await workflow_env.start_incident()
        await activities.wait_for_reason("NamespaceBusy")
        await idle(handle)
        await handle.cancel()
        assert await ending(handle) == "Cancelled"
    assert _is_cancelled(activities.statuses[-1])
    assert activities.writes == []


async def test_while_it_is_held_right_before_the_write(workflow_env, cancelling):
    activities = ScriptedActivities(repair=cancelling(raised(Held("guard Concurrency holds now"))))
    status = await _follow_script(workflow_env, activities)
    assert _is_cancelled(status)
    assert (activities.writes, status.attempts) == (["uid-incident-1"], ())


async def test_while_it_waits_after_being_held(workflow_env):
    activities = ScriptedActivities(repair=raised(Held("guard Concurrency holds now")))
    async with workflow_env.healing_worker(activities):
        handle = await workflow_env.start_incident()
        await activities.wait_for_reason("GuardBlocked")
        await idle(handle)
        await handle.cancel()
        assert await ending(handle) == "Cancelled"
    assert _is_cancelled(activities.statuses[-1])
    assert activities.writes == ["uid-incident-1"]


async def test_while_suspended(workflow_env):
    activities = ScriptedActivities()
    async with workflow_env.healing_worker(activities):
        handle = await workflow_env.start_incident(spec=a_spec(suspend=True))
        await activities.wait_for_reason("Suspended")
        await idle(handle)
        await handle.cancel()
        assert await ending(handle) == "Cancelled"
    assert _is_cancelled(activities.statuses[-1])
    assert activities.writes == []


async def test_while_the_repair_is_announced(workflow_env, interrupting):
    cancel = interrupting(None)
    activities = ScriptedActivities(report=lambda news: cancel(news) if news.status.phase is Phase.REPAIRING else None)
    status = await _follow_script(workflow_env, activities)
    assert _is_cancelled(status)
    assert activities.writes == []
    assert (status.attempts[0].verdict, status.attempts[0].written_at) == ("NotApplied", None)


async def test_in_the_middle_of_the_repair(workflow_env, cancelling):
    activities = ScriptedActivities(repair=cancelling(written))
    status = await _follow_script(workflow_env, activities)
    assert _is_cancelled(status)
    assert activities.writes == WRITTEN_AND_UNDONE
    (attempt,) = status.attempts
    assert attempt.undone
    assert attempt.written_at is not None
    assert condition(status, "Repaired") == ("False", "Undone")


async def test_in_the_middle_of_a_repair_with_a_worker_that_forgets_everything(workflow_env, cancelling):
    activities = ScriptedActivities(repair=cancelling(written))
    async with workflow_env.healing_worker(activities, max_cached_workflows=0):
        assert await ending(await workflow_env.start_incident()) == "Cancelled"
    assert (activities.writes, activities.statuses[-1].phase) == (WRITTEN_AND_UNDONE, Phase.CANCELLED)


@pytest.mark.parametrize(
    "error", [Refused("exceeded quota"), ChangedSince("another template")], ids=lambda one: one.reason
)
async def test_in_the_middle_of_a_repair_that_is_not_made(workflow_env, cancelling, error):
    activities = ScriptedActivities(repair=cancelling(raised(error)))
    status = await _follow_script(workflow_env, activities)
    assert _is_cancelled(status)
    assert activities.writes == ["uid-incident-1"]
    assert status.attempts[0].verdict == "NotApplied"


async def test_in_the_middle_of_a_repair_that_fails_for_a_while(workflow_env, cancelling):
    activities = ScriptedActivities(repair=[cancelling(raised(Unavailable("no answer"))), written])
    assert _is_cancelled(await _follow_script(workflow_env, activities))
    assert activities.writes == ["uid-incident-1", *WRITTEN_AND_UNDONE]


async def test_in_the_middle_of_a_repair_that_is_never_answered(workflow_env, cancelling, monkeypatch):
    monkeypatch.setitem(healing.OPTIONS, "repair", Options(0.2, NON_IDEMPOTENT))
    activities = ScriptedActivities(repair=[cancelling(unanswered), unanswered, unanswered, written])
    assert _is_cancelled(await _follow_script(workflow_env, activities))
    assert activities.writes == [*["uid-incident-1"] * 3, *WRITTEN_AND_UNDONE]


async def test_while_the_repair_is_reported(workflow_env, interrupting):
    cancel = interrupting(None)
    activities = ScriptedActivities(report=lambda news: cancel(news) if news.status.phase is Phase.VERIFYING else None)
    assert _is_cancelled(await _follow_script(workflow_env, activities))
    assert activities.writes == WRITTEN_AND_UNDONE


@pytest.mark.parametrize("judgement", [SETTLING, HEALED], ids=["settling", "healed"])
async def test_during_the_verification(workflow_env, interrupting, judgement):
    activities = ScriptedActivities(verify=interrupting(judgement))
    status = await _follow_script(workflow_env, activities)
    assert _is_cancelled(status)
    assert activities.writes == WRITTEN_AND_UNDONE
    assert status.attempts[0].undone


async def test_during_the_undo_it_is_finished_and_nothing_else_is_tried(workflow_env, cancelling):
    activities = ScriptedActivities(verify=NOT_HEALED, undo=cancelling(written))
    status = await _follow_script(workflow_env, activities)
    assert _is_cancelled(status)
    assert activities.writes == WRITTEN_AND_UNDONE
    assert status.attempts[0].undone


async def test_during_an_undo_that_fails_for_a_while_it_is_finished(workflow_env, cancelling):
    activities = ScriptedActivities(verify=NOT_HEALED, undo=[cancelling(raised(Unavailable("no answer"))), written])
    assert _is_cancelled(await _follow_script(workflow_env, activities))
    assert activities.writes == [*WRITTEN_AND_UNDONE, "uid-incident-1-undo"]


async def test_during_an_undo_that_is_refused_a_person_is_told(workflow_env, cancelling):
    activities = ScriptedActivities(verify=NOT_HEALED, undo=cancelling(raised(ChangedSince("theirs"))))
    status = await _follow_script(workflow_env, activities, ends="Completed")
    assert (status.phase, status.reason) == (Phase.ESCALATED, "NotUndone")
    assert await workflow_env.escalation()


async def test_when_the_undo_that_it_asks_for_is_refused_a_person_is_told(workflow_env, interrupting):
    activities = ScriptedActivities(verify=interrupting(SETTLING), undo=raised(ChangedSince("theirs")))
    status = await _follow_script(workflow_env, activities)
    assert (status.phase, status.reason) == (Phase.ESCALATED, "NotUndone")
    assert activities.writes == WRITTEN_AND_UNDONE


async def test_while_the_healing_is_told_it_is_too_late(workflow_env, cancelling):
    activities = ScriptedActivities(close=cancelling(None))
    status = await _follow_script(workflow_env, activities, ends="Completed")
    assert status.phase is Phase.HEALED
    assert activities.writes == ["uid-incident-1"]
    assert len(activities.requests("close")) == 1


async def test_while_it_is_handed_over_it_is_too_late(workflow_env, cancelling):
    activities = ScriptedActivities(repair=raised(Refused("exceeded quota")), close=cancelling(None))
    status = await _follow_script(workflow_env, activities, ends="Completed")
    assert (status.phase, status.reason) == (Phase.ESCALATED, "Refused")
    assert len(activities.requests("close")) == 1
    assert await workflow_env.escalation()


@pytest.mark.parametrize(
    ("script", "writes"),
    [
        pytest.param(lambda cancel: {"confirm": cancel(seen())}, [], id="confirm"),
        pytest.param(lambda cancel: {"diagnose": cancel(a_report())}, [], id="diagnose"),
        pytest.param(lambda cancel: {"report": cancel(None)}, [], id="report"),
        pytest.param(lambda cancel: {"verify": cancel(HEALED)}, WRITTEN_AND_UNDONE, id="verify"),
    ],
)
async def test_while_an_activity_answers_on_the_real_server(script, writes):
    """The time-skipping server cannot cancel an activity that was answered at that moment; the real one can."""
    async with start_dev_server() as environment:
        activities = ScriptedActivities(**script(_cancelling(handle_of(environment.client), WorkflowHandle.cancel)))
        async with healing_worker(environment.client, activities):
            handle = await start_incident(environment.client)
            assert await ending(handle) == "Cancelled"
    assert _is_cancelled(activities.statuses[-1])
    assert activities.writes == writes
