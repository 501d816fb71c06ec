"""What people say to a healing: approval, suspension, and questions about how it stands."""

from datetime import timedelta

import pytest
from builders import a_question, a_report, a_rollback, a_spec, a_step
from workflow.harness import HEALED, NOT_HEALED, SETTLING, Hands, condition, seen, written

from prunella_workflows.healing.workflow import SelfHealing
from prunella_workflows.model.incident import Approval
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.model.outcome import Effect, GuardResult, Presence

YES = Approval(decision="Approved", by="alice@example.org", reason="go ahead")
NO = Approval(decision="Rejected", by="bob@example.org", reason="not on a Friday")


def _asking(**script):
    return Hands(diagnose=a_question(), **script)


async def test_nothing_is_written_before_a_person_agrees(the_stage):
    hands = _asking()
    async with the_stage.performing(hands):
        handle = await the_stage.begin()
        await hands.told("ApprovalNeeded")
        waiting = hands.statuses[-1]
        assert (waiting.phase, condition(waiting, "Approved")) == (
            Phase.AWAITING_APPROVAL,
            ("Unknown", "ApprovalNeeded"),
        )
        assert "Set the memory limit of container app from 64Mi to 96Mi" in waiting.message
        assert hands.writes == []
        await handle.signal(SelfHealing.approve, YES)
        status = await handle.result()
    assert status.phase is Phase.HEALED
    assert condition(status, "Approved") == ("True", "Approved")
    assert len(hands.named("confirm")) == 1  # the answer came at once: what was decided on is fresh


async def test_rejected(the_stage):
    hands = _asking()
    async with the_stage.performing(hands):
        handle = await the_stage.begin()
        await hands.told("ApprovalNeeded")
        await handle.signal(SelfHealing.approve, NO)
        status = await handle.result()
    assert (status.phase, status.reason) == (Phase.ESCALATED, "Rejected")
    assert status.message == "The repair was rejected by bob@example.org: not on a Friday"
    assert condition(status, "Approved") == ("False", "Rejected")
    assert hands.writes == []


async def test_nobody_answers_for_seven_days(the_stage):
    hands = _asking()
    status = await the_stage.play(hands)
    assert (status.phase, status.reason) == (Phase.ESCALATED, "ApprovalTimedOut")
    assert status.times.closed_at - status.times.started_at >= timedelta(days=7)
    assert hands.writes == []


async def test_an_answer_in_the_incident_from_the_start(the_stage):
    hands = _asking()
    status = await the_stage.play(hands, spec=a_spec(approval=YES))
    assert (status.phase, condition(status, "Approved")) == (Phase.HEALED, ("True", "Approved"))
    assert Phase.AWAITING_APPROVAL not in {one.phase for one in hands.statuses}


@pytest.mark.parametrize(("answer", "phase"), [(YES, Phase.HEALED), (NO, Phase.ESCALATED)], ids=["yes", "no"])
async def test_an_answer_before_the_question(the_stage, answer, phase):
    handle = await the_stage.begin()
    await handle.signal(SelfHealing.approve, answer)
    hands = _asking()
    async with the_stage.performing(hands):
        assert (await handle.result()).phase is phase


async def test_the_first_answer_counts(the_stage):
    handle = await the_stage.begin()
    await handle.signal(SelfHealing.approve, NO)
    await handle.signal(SelfHealing.approve, YES)
    hands = _asking()
    async with the_stage.performing(hands):
        assert (await handle.result()).reason == "Rejected"
    assert hands.writes == []


async def test_an_answer_that_nobody_asked_for_changes_nothing(the_stage):
    hands = Hands()
    status = await the_stage.play(hands, spec=a_spec(approval=NO))
    assert (status.phase, condition(status, "Approved")) == (Phase.HEALED, None)


async def test_an_answer_after_days_is_followed_by_another_look(the_stage):
    recovered = seen(Presence.RECOVERED, "HealedByItself")
    hands = _asking(confirm=[seen(), recovered])
    async with the_stage.performing(hands):
        handle = await the_stage.begin()
        await hands.told("ApprovalNeeded")
        await the_stage.environment.sleep(timedelta(days=3))
        await handle.signal(SelfHealing.approve, YES)
        status = await handle.result()
    assert (status.phase, status.reason, hands.writes) == (Phase.RECOVERED, "HealedByItself", [])


async def test_an_answer_after_days_to_a_fault_that_persists_is_acted_on_after_a_new_diagnosis(the_stage):
    hands = _asking()
    async with the_stage.performing(hands):
        handle = await the_stage.begin()
        await hands.told("ApprovalNeeded")
        await the_stage.environment.sleep(timedelta(days=3))
        await handle.signal(SelfHealing.approve, YES)
        status = await handle.result()
    assert status.phase is Phase.HEALED
    assert hands.order[:5] == ["confirm", "diagnose", "confirm", "diagnose", "repair"]
    assert hands.events.count("ApprovalNeeded") == 1
    assert hands.events.count("Approved") == 1


async def test_an_approval_is_told_once_whatever_the_number_of_attempts(the_stage):
    hands = Hands(diagnose=a_question(), verify=[NOT_HEALED, HEALED])
    await the_stage.play(hands, spec=a_spec(approval=YES))
    assert len(hands.named("repair")) == 2
    assert hands.events.count("Approved") == 1


async def test_an_approval_covers_no_other_kind_of_repair(the_stage):
    raise_first, rollback_next = a_question(), a_question(a_step(a_rollback()))
    hands = Hands(diagnose=[raise_first, rollback_next], verify=NOT_HEALED)
    status = await the_stage.play(hands, spec=a_spec(approval=YES))
    assert (status.phase, status.reason) == (Phase.ESCALATED, "ActionNotApproved")
    assert len(hands.named("repair")) == 1


async def test_suspended_then_resumed(the_stage):
    hands = Hands()
    async with the_stage.performing(hands):
        handle = await the_stage.begin(spec=a_spec(suspend=True))
        await hands.told("Suspended")
        await the_stage.environment.sleep(timedelta(hours=1))
        assert hands.writes == []
        await handle.signal(SelfHealing.suspend, arg=False)
        status = await handle.result()
    assert status.phase is Phase.HEALED
    assert hands.order[:5] == ["confirm", "diagnose", "confirm", "diagnose", "repair"]  # an hour old: looked at again


async def test_suspended_by_a_signal_and_resumed_before_it_mattered(the_stage):
    handle = await the_stage.begin()
    await handle.signal(SelfHealing.suspend, arg=True)
    await handle.signal(SelfHealing.suspend, arg=False)
    hands = Hands()
    async with the_stage.performing(hands):
        assert (await handle.result()).phase is Phase.HEALED
    assert "Suspended" not in {status.reason for status in hands.statuses}


def _suspending(the_stage, answer):
    async def suspend(request):
        await the_stage.handle.signal(SelfHealing.suspend, arg=True)
        return answer(request) if callable(answer) else answer

    return suspend


async def test_a_repair_under_way_is_finished_and_judged_although_suspended(the_stage):
    hands = Hands(repair=_suspending(the_stage, written))
    status = await the_stage.play(hands)
    assert (status.phase, len(hands.writes)) == (Phase.HEALED, 1)
    assert "Suspended" not in {one.reason for one in hands.statuses}


async def test_suspended_during_the_verification_a_bad_repair_is_undone_and_nothing_else_is_tried(the_stage):
    hands = Hands(verify=[_suspending(the_stage, SETTLING), NOT_HEALED, HEALED])
    async with the_stage.performing(hands):
        handle = await the_stage.begin()
        await the_stage.environment.sleep(timedelta(minutes=1))
        await hands.told("Suspended")
        assert hands.writes == ["uid-incident-1", "uid-incident-1-undo"]
        await handle.signal(SelfHealing.suspend, arg=False)
        assert (await handle.result()).phase is Phase.HEALED
    assert hands.writes[2:] == ["uid-incident-2"]


async def test_suspended_while_a_person_is_asked_it_waits_for_both(the_stage):
    hands = _asking()
    async with the_stage.performing(hands):
        handle = await the_stage.begin()
        await hands.told("ApprovalNeeded")
        await handle.signal(SelfHealing.suspend, arg=True)
        await handle.signal(SelfHealing.approve, YES)
        await hands.told("Suspended")
        assert hands.writes == []
        await handle.signal(SelfHealing.suspend, arg=False)
        assert (await handle.result()).phase is Phase.HEALED


async def test_suspended_while_a_guard_waits_it_stands_still_when_the_guard_lets_go(the_stage):
    waiting = a_report(guards=(GuardResult(name="Guard", effect=Effect.WAIT, reason="Busy", message="busy"),))
    hands = Hands(diagnose=[_suspending(the_stage, waiting), a_report()])
    async with the_stage.performing(hands):
        handle = await the_stage.begin()
        await hands.told("Busy")
        await the_stage.environment.sleep(timedelta(minutes=1))
        await hands.told("Suspended")
        assert hands.writes == []
        await handle.signal(SelfHealing.suspend, arg=False)
        assert (await handle.result()).phase is Phase.HEALED


async def test_how_it_stands_can_be_asked_at_any_time(the_stage):
    hands = _asking()
    async with the_stage.performing(hands):
        handle = await the_stage.begin()
        await hands.told("ApprovalNeeded")
        state = await handle.query("getState")
        assert (state["phase"], state["rootCause"]) == ("AwaitingApproval", "pod_oom_killed")
        await handle.signal(SelfHealing.approve, YES)
        end = await handle.result()
        assert await handle.query(SelfHealing.get_state) == end
