"""Activities that fail, answer too late or not at all: nothing is done twice, nothing is left half done."""

from datetime import timedelta

import pytest
from builders import a_report
from workflow.harness import HEALED, NOT_HEALED, Hands, condition, ending, raised, unanswered, written

from prunella_workflows.contracts import healing
from prunella_workflows.contracts.options import NON_IDEMPOTENT, Options
from prunella_workflows.model.errors import (
    ChangedSince,
    Conflict,
    Forbidden,
    InvalidIncident,
    NotFound,
    Refused,
    Unavailable,
)
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.temporal import activity_calls

DOWN = raised(Unavailable("the API server does not answer"))


@pytest.fixture
def impatient(monkeypatch):
    """Time is not skipped while an activity is open, so a write that is never answered is given up at once."""
    for name in ("repair", "undo"):
        monkeypatch.setitem(healing.OPTIONS, name, Options(1.0, NON_IDEMPOTENT))


@pytest.mark.parametrize("name", ["confirm", "diagnose", "repair", "verify", "close"])
async def test_what_fails_for_a_while_is_tried_again(the_stage, name):
    works = Hands().script[name]
    hands = Hands(**{name: [DOWN, DOWN, *works]})
    assert (await the_stage.play(hands)).phase is Phase.HEALED
    assert len(hands.named(name)) == len(works) + 2


async def test_the_closing_report_is_tried_until_it_is_written(the_stage):
    hands = Hands(close=[*[DOWN] * 20, None])
    assert (await the_stage.play(hands)).phase is Phase.HEALED
    assert len(hands.named("close")) == 21


async def test_the_same_action_id_is_used_in_every_retry(the_stage):
    hands = Hands(
        repair=[DOWN, raised(Conflict("changed meanwhile")), written], undo=[DOWN, written], verify=[NOT_HEALED, HEALED]
    )
    await the_stage.play(hands)
    assert hands.writes == [*["uid-incident-1"] * 3, *["uid-incident-1-undo"] * 2, "uid-incident-2"]


async def test_a_write_whose_outcome_is_unknown_is_repeated_as_the_same_until_it_is_certain(the_stage, impatient):
    hands = Hands(repair=[*[unanswered] * 3, DOWN, written])
    status = await the_stage.play(hands)
    assert status.phase is Phase.HEALED
    assert hands.writes == ["uid-incident-1"] * 5
    assert len(status.attempts) == 1
    assert len({order.model_dump_json() for order in hands.named("repair")}) == 1


async def test_an_undo_whose_outcome_is_unknown_is_repeated_until_it_is_certain(the_stage, impatient):
    hands = Hands(verify=[NOT_HEALED, HEALED], undo=[*[unanswered] * 3, written])
    status = await the_stage.play(hands)
    assert hands.writes == ["uid-incident-1", *["uid-incident-1-undo"] * 4, "uid-incident-2"]
    assert status.attempts[0].undone


async def test_a_write_that_stays_uncertain_is_handed_over_as_such(the_stage, monkeypatch):
    monkeypatch.setattr(activity_calls, "OUTCOME_UNKNOWN_LIMIT", timedelta(minutes=2))
    hands = Hands(repair=DOWN)
    status = await the_stage.play(hands)
    assert (status.phase, status.reason) == (Phase.ESCALATED, "OutcomeUnknown")
    assert "not known whether action uid-incident-1 was applied: the API server does not answer" in status.message
    assert status.attempts[0].verdict == "Unknown"
    assert set(hands.writes) == {"uid-incident-1"}


async def test_an_undo_that_stays_uncertain_is_handed_over_as_such(the_stage, monkeypatch):
    monkeypatch.setattr(activity_calls, "OUTCOME_UNKNOWN_LIMIT", timedelta(minutes=2))
    status = await the_stage.play(Hands(verify=NOT_HEALED, undo=DOWN))
    assert (status.phase, status.reason) == (Phase.ESCALATED, "NotUndone")
    assert not status.attempts[0].undone


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("confirm", NotFound("Deployment shop/web does not exist")),
        ("confirm", InvalidIncident("neither target nor podName")),
        ("diagnose", Forbidden("may not list pods")),
    ],
    ids=lambda value: value if isinstance(value, str) else value.reason,
)
async def test_a_permanent_error_before_any_attempt_fails_the_incident(the_stage, name, error):
    hands = Hands(**{name: raised(error)})
    status = await the_stage.play(hands)
    assert (status.phase, status.reason, status.message) == (Phase.FAILED, error.reason, str(error))
    assert condition(status, "Succeeded") == ("False", "Failed")
    assert len(hands.named(name)) == 1
    assert (hands.writes, await the_stage.escalation()) == ([], None)


@pytest.mark.parametrize("name", ["confirm", "diagnose"])
async def test_an_api_server_that_is_away_for_longer_is_waited_for(the_stage, name):
    works = Hands().script[name]
    hands = Hands(**{name: [*[DOWN] * 25, *works]})
    assert (await the_stage.play(hands)).phase is Phase.HEALED
    assert len(hands.named(name)) == len(works) + 25


async def test_an_api_server_that_never_answers_fails_the_incident_in_the_end(the_stage, monkeypatch):
    monkeypatch.setattr(activity_calls, "UNREACHABLE_LIMIT", timedelta(minutes=2))
    hands = Hands(confirm=DOWN)
    status = await the_stage.play(hands)
    assert (status.phase, status.reason) == (Phase.FAILED, "Unavailable")
    assert len(hands.named("confirm")) == 10


async def test_what_fails_for_another_reason_fails_the_incident_when_its_attempts_are_used_up(the_stage):
    hands = Hands(confirm=raised(Conflict("changed meanwhile")))
    status = await the_stage.play(hands)
    assert (status.phase, status.reason) == (Phase.FAILED, "Conflict")
    assert len(hands.named("confirm")) == 10


async def test_a_permanent_error_after_an_attempt_is_handed_over(the_stage):
    hands = Hands(diagnose=[a_report(), raised(Forbidden("may not list pods"))], verify=NOT_HEALED)
    status = await the_stage.play(hands)
    assert (status.phase, status.reason) == (Phase.ESCALATED, "Forbidden")
    assert hands.writes == ["uid-incident-1", "uid-incident-1-undo"]
    assert await the_stage.escalation()


async def test_a_repair_that_cannot_be_judged_is_undone_and_handed_over(the_stage):
    hands = Hands(verify=raised(Forbidden("may not read pods")))
    status = await the_stage.play(hands)
    assert (status.phase, status.reason) == (Phase.ESCALATED, "Forbidden")
    assert hands.writes == ["uid-incident-1", "uid-incident-1-undo"]
    assert status.attempts[0].undone


async def test_a_repair_that_is_refused_is_handed_over_with_nothing_to_undo(the_stage):
    hands = Hands(repair=raised(Refused("exceeded quota: limits.memory")))
    status = await the_stage.play(hands)
    assert (status.phase, status.reason, status.message) == (
        Phase.ESCALATED,
        "Refused",
        "exceeded quota: limits.memory",
    )
    assert hands.writes == ["uid-incident-1"]
    assert (status.attempts[0].verdict, status.attempts[0].written_at) == ("NotApplied", None)
    assert condition(status, "Repaired") is None


async def test_an_undo_of_what_became_somebody_elses_is_handed_over_and_not_repeated(the_stage):
    hands = Hands(verify=NOT_HEALED, undo=raised(ChangedSince("changed by kubectl-edit")))
    status = await the_stage.play(hands)
    assert (status.phase, status.reason) == (Phase.ESCALATED, "NotUndone")
    assert "changed by kubectl-edit" in status.message
    assert hands.writes == ["uid-incident-1", "uid-incident-1-undo"]
    assert not status.attempts[0].undone
    assert "NotUndone" in hands.events


@pytest.mark.parametrize("error", [DOWN, raised(Forbidden("may not write status"))], ids=["for a while", "for good"])
async def test_reports_that_fail_do_not_stop_the_healing_and_their_events_are_told_later(the_stage, error):
    hands = Hands(report=error)
    status = await the_stage.play(hands)
    assert status.phase is Phase.HEALED
    assert [event.reason for event in hands.named("close")[0].events] == ["Diagnosed", "Repaired", "Verified", "Healed"]


async def test_an_incident_that_was_deleted_before_anything_was_done_stops(the_stage):
    hands = Hands(report=raised(NotFound("the incident is gone")), close=raised(NotFound("the incident is gone")))
    async with the_stage.performing(hands):
        handle = await the_stage.begin()
        assert await ending(handle) == "Completed"
        assert (await handle.result()).reason == "IncidentDeleted"
    assert (hands.order, await the_stage.escalation()) == (["close"], None)


async def test_an_incident_that_is_deleted_during_the_verification_is_undone_and_stops(the_stage):
    gone = raised(NotFound("the incident is gone"))
    hands = Hands(report=lambda request: gone if request.status.phase is Phase.VERIFYING else None, close=gone)
    async with the_stage.performing(hands):
        assert await ending(await the_stage.begin()) == "Completed"
    assert hands.writes == ["uid-incident-1", "uid-incident-1-undo"]
    assert await the_stage.escalation() is None


async def test_an_incident_that_is_deleted_right_before_its_repair_is_not_repaired(the_stage):
    gone = raised(NotFound("the incident is gone"))
    hands = Hands(report=lambda request: gone if request.status.phase is Phase.REPAIRING else None, close=gone)
    status = await the_stage.play(hands)
    assert (status.reason, status.attempts[0].verdict) == ("IncidentDeleted", "NotApplied")
    assert hands.writes == []


async def test_people_are_told_even_when_the_status_cannot_be_written(the_stage):
    hands = Hands(repair=raised(Refused("no")), close=raised(Forbidden("may not write status")))
    async with the_stage.performing(hands):
        assert await ending(await the_stage.begin()) == "Failed"
    assert await the_stage.escalation()


async def test_a_healing_survives_a_worker_that_forgets_everything_between_two_steps(the_stage):
    hands = Hands(verify=[NOT_HEALED, HEALED])
    async with the_stage.performing(hands, max_cached_workflows=0):
        status = await (await the_stage.begin()).result()
    assert status.phase is Phase.HEALED
    assert hands.writes == ["uid-incident-1", "uid-incident-1-undo", "uid-incident-2"]


async def test_a_bad_verdict_after_nobody_could_look_is_not_believed_at_once(the_stage):
    hands = Hands(verify=[*([DOWN] * 6), NOT_HEALED, HEALED])
    status = await the_stage.play(hands)
    assert status.phase is Phase.HEALED
    assert hands.order.count("undo") == 0
    assert hands.named("verify")[-1].blind > 20


async def test_a_bad_verdict_counts_when_it_is_given_again_by_somebody_who_looks(the_stage):
    hands = Hands(verify=[*([DOWN] * 6), NOT_HEALED, NOT_HEALED, HEALED])
    await the_stage.play(hands)
    assert hands.order.count("undo") == 1
