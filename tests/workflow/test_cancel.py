"""Cancelled at every moment: nothing is left half done, nothing new is begun, and the end is told.

The moment is chosen from inside the activity that is under way then.
"""

import pytest
from builders import a_question, a_report, a_spec
from temporalio.client import WorkflowHandle
from workflow.harness import (
    HEALED,
    NOT_HEALED,
    SETTLING,
    Hands,
    begin,
    cancel_and_see,
    condition,
    ending,
    handle_of,
    idle,
    performing,
    raised,
    real_stage,
    seen,
    unanswered,
    written,
)

from prunella_workflows.contracts import healing
from prunella_workflows.contracts.options import NON_IDEMPOTENT, Options
from prunella_workflows.model.errors import ChangedSince, Forbidden, Held, Refused, Unavailable
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
def cancelling(the_stage, request):
    """For activities that are carried through: cancelled before the workflow took notice of it, and after."""
    return _cancelling(the_stage.handle, request.param)


@pytest.fixture
def interrupting(the_stage):
    """For all other activities, which are given up as soon as the workflow takes notice."""
    return _cancelling(the_stage.handle, cancel_and_see)


async def _play(the_stage, hands, ends="Cancelled", **values):
    """The last status that was told."""
    async with the_stage.performing(hands):
        assert await ending(await the_stage.begin(**values)) == ends
    return hands.statuses[-1]


def _is_cancelled(status):
    return (status.phase, status.reason, condition(status, "Succeeded")) == (
        Phase.CANCELLED,
        "Cancelled",
        ("False", "Cancelled"),
    )


async def test_before_it_began(the_stage):
    handle = await the_stage.begin()
    await handle.cancel()
    hands = Hands()
    async with the_stage.performing(hands):
        assert await ending(handle) == "Cancelled"
    assert _is_cancelled(hands.statuses[-1])
    assert hands.order == ["close"]


@pytest.mark.parametrize("answer", [seen(), seen(Presence.WATCHING, "Watching")], ids=["failing", "watching"])
async def test_while_confirming(the_stage, interrupting, answer):
    hands = Hands(confirm=interrupting(answer))
    status = await _play(the_stage, hands)
    assert _is_cancelled(status)
    assert hands.order == ["confirm", "close"]
    assert status.times.closed_at is not None


async def test_while_diagnosing(the_stage, interrupting):
    hands = Hands(diagnose=interrupting(a_report()))
    assert _is_cancelled(await _play(the_stage, hands))
    assert hands.writes == []


async def test_while_waiting_for_approval(the_stage):
    hands = Hands(diagnose=a_question())
    async with the_stage.performing(hands):
        handle = await the_stage.begin()
        await hands.told("ApprovalNeeded")
        await idle(handle)
        await handle.cancel()
        assert await ending(handle) == "Cancelled"
    assert _is_cancelled(hands.statuses[-1])
    assert hands.order == ["confirm", "diagnose", "close"]


async def test_while_an_answer_that_does_not_count_is_turned_away(the_stage):
    hands = Hands(diagnose=a_question(approvers=("alice",)))
    async with the_stage.performing(hands):
        handle = await the_stage.begin(spec=a_spec(approval=Approval(decision="Approved", by="bob")))
        await hands.told("NotAnApprover")
        await idle(handle)
        await handle.cancel()
        assert await ending(handle) == "Cancelled"
    assert _is_cancelled(hands.statuses[-1])
    assert hands.writes == []


async def test_while_a_guard_waits(the_stage):
    hands = Hands(diagnose=a_report(guards=(BUSY,)))
    async with the_stage.performing(hands):
        handle = await the_stage.begin()
        await hands.told("NamespaceBusy")
        await idle(handle)
        await handle.cancel()
        assert await ending(handle) == "Cancelled"
    assert _is_cancelled(hands.statuses[-1])
    assert hands.writes == []


async def test_while_it_is_held_right_before_the_write(the_stage, cancelling):
    hands = Hands(repair=cancelling(raised(Held("guard Concurrency holds now"))))
    status = await _play(the_stage, hands)
    assert _is_cancelled(status)
    assert (hands.writes, status.attempts) == (["uid-incident-1"], ())


async def test_while_it_waits_after_being_held(the_stage):
    hands = Hands(repair=raised(Held("guard Concurrency holds now")))
    async with the_stage.performing(hands):
        handle = await the_stage.begin()
        await hands.told("GuardBlocked")
        await idle(handle)
        await handle.cancel()
        assert await ending(handle) == "Cancelled"
    assert _is_cancelled(hands.statuses[-1])
    assert hands.writes == ["uid-incident-1"]


async def test_while_suspended(the_stage):
    hands = Hands()
    async with the_stage.performing(hands):
        handle = await the_stage.begin(spec=a_spec(suspend=True))
        await hands.told("Suspended")
        await idle(handle)
        await handle.cancel()
        assert await ending(handle) == "Cancelled"
    assert _is_cancelled(hands.statuses[-1])
    assert hands.writes == []


async def test_while_the_repair_is_announced(the_stage, interrupting):
    cancel = interrupting(None)
    hands = Hands(report=lambda news: cancel(news) if news.status.phase is Phase.REPAIRING else None)
    status = await _play(the_stage, hands)
    assert _is_cancelled(status)
    assert hands.writes == []
    assert (status.attempts[0].verdict, status.attempts[0].written_at) == ("NotApplied", None)


async def test_in_the_middle_of_the_repair(the_stage, cancelling):
    hands = Hands(repair=cancelling(written))
    status = await _play(the_stage, hands)
    assert _is_cancelled(status)
    assert hands.writes == WRITTEN_AND_UNDONE
    (attempt,) = status.attempts
    assert attempt.undone
    assert attempt.written_at is not None
    assert condition(status, "Repaired") == ("False", "Undone")


async def test_in_the_middle_of_a_repair_with_a_worker_that_forgets_everything(the_stage, cancelling):
    hands = Hands(repair=cancelling(written))
    async with the_stage.performing(hands, max_cached_workflows=0):
        assert await ending(await the_stage.begin()) == "Cancelled"
    assert (hands.writes, hands.statuses[-1].phase) == (WRITTEN_AND_UNDONE, Phase.CANCELLED)


@pytest.mark.parametrize(
    "error", [Refused("exceeded quota"), ChangedSince("another template")], ids=lambda one: one.reason
)
async def test_in_the_middle_of_a_repair_that_is_not_made(the_stage, cancelling, error):
    hands = Hands(repair=cancelling(raised(error)))
    status = await _play(the_stage, hands)
    assert _is_cancelled(status)
    assert hands.writes == ["uid-incident-1"]
    assert status.attempts[0].verdict == "NotApplied"


async def test_in_the_middle_of_a_repair_that_fails_for_a_while(the_stage, cancelling):
    hands = Hands(repair=[cancelling(raised(Unavailable("no answer"))), written])
    assert _is_cancelled(await _play(the_stage, hands))
    assert hands.writes == ["uid-incident-1", *WRITTEN_AND_UNDONE]


async def test_in_the_middle_of_a_repair_that_is_never_answered(the_stage, cancelling, monkeypatch):
    monkeypatch.setitem(healing.OPTIONS, "repair", Options(0.2, NON_IDEMPOTENT))
    hands = Hands(repair=[cancelling(unanswered), unanswered, unanswered, written])
    assert _is_cancelled(await _play(the_stage, hands))
    assert hands.writes == [*["uid-incident-1"] * 3, *WRITTEN_AND_UNDONE]


async def test_while_the_repair_is_reported(the_stage, interrupting):
    cancel = interrupting(None)
    hands = Hands(report=lambda news: cancel(news) if news.status.phase is Phase.VERIFYING else None)
    assert _is_cancelled(await _play(the_stage, hands))
    assert hands.writes == WRITTEN_AND_UNDONE


@pytest.mark.parametrize("judgement", [SETTLING, HEALED], ids=["settling", "healed"])
async def test_during_the_verification(the_stage, interrupting, judgement):
    hands = Hands(verify=interrupting(judgement))
    status = await _play(the_stage, hands)
    assert _is_cancelled(status)
    assert hands.writes == WRITTEN_AND_UNDONE
    assert status.attempts[0].undone


async def test_during_the_undo_it_is_finished_and_nothing_else_is_tried(the_stage, cancelling):
    hands = Hands(verify=NOT_HEALED, undo=cancelling(written))
    status = await _play(the_stage, hands)
    assert _is_cancelled(status)
    assert hands.writes == WRITTEN_AND_UNDONE
    assert status.attempts[0].undone


async def test_during_an_undo_that_fails_for_a_while_it_is_finished(the_stage, cancelling):
    hands = Hands(verify=NOT_HEALED, undo=[cancelling(raised(Unavailable("no answer"))), written])
    assert _is_cancelled(await _play(the_stage, hands))
    assert hands.writes == [*WRITTEN_AND_UNDONE, "uid-incident-1-undo"]


async def test_during_the_undo_after_an_error_it_is_finished_and_handed_over(the_stage, cancelling):
    hands = Hands(verify=raised(Forbidden("may not read pods")), undo=cancelling(written))
    status = await _play(the_stage, hands, ends="Completed")
    assert (status.phase, status.reason) == (Phase.ESCALATED, "Forbidden")
    assert hands.writes == WRITTEN_AND_UNDONE
    assert status.attempts[0].undone


async def test_during_an_undo_that_is_refused_a_person_is_told(the_stage, cancelling):
    hands = Hands(verify=NOT_HEALED, undo=cancelling(raised(ChangedSince("theirs"))))
    status = await _play(the_stage, hands, ends="Completed")
    assert (status.phase, status.reason) == (Phase.ESCALATED, "NotUndone")
    assert await the_stage.escalation()


async def test_when_the_undo_that_it_asks_for_is_refused_a_person_is_told(the_stage, interrupting):
    hands = Hands(verify=interrupting(SETTLING), undo=raised(ChangedSince("theirs")))
    status = await _play(the_stage, hands)
    assert (status.phase, status.reason) == (Phase.ESCALATED, "NotUndone")
    assert hands.writes == WRITTEN_AND_UNDONE


async def test_while_the_healing_is_told_it_is_too_late(the_stage, cancelling):
    hands = Hands(close=cancelling(None))
    status = await _play(the_stage, hands, ends="Completed")
    assert status.phase is Phase.HEALED
    assert hands.writes == ["uid-incident-1"]
    assert len(hands.named("close")) == 1


async def test_while_it_is_handed_over_it_is_too_late(the_stage, cancelling):
    hands = Hands(repair=raised(Refused("exceeded quota")), close=cancelling(None))
    status = await _play(the_stage, hands, ends="Completed")
    assert (status.phase, status.reason) == (Phase.ESCALATED, "Refused")
    assert len(hands.named("close")) == 1
    assert await the_stage.escalation()


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
    async with real_stage() as environment:
        hands = Hands(**script(_cancelling(handle_of(environment.client), WorkflowHandle.cancel)))
        async with performing(environment.client, hands):
            handle = await begin(environment.client)
            assert await ending(handle) == "Cancelled"
    assert _is_cancelled(hands.statuses[-1])
    assert hands.writes == writes
