"""Activities that fail, answer too late or not at all: nothing is done twice, nothing is left half done."""

import re
from datetime import timedelta

import pytest
from builders import a_report
from workflow.healing_env import HEALED, NOT_HEALED, ScriptedActivities, condition, ending, raised, unanswered, written

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
async def test_what_fails_for_a_while_is_tried_again(workflow_env, name):
    works = ScriptedActivities().script[name]
    activities = ScriptedActivities(**{name: [DOWN, DOWN, *works]})
    assert (await workflow_env.run_incident(activities)).phase is Phase.HEALED
    assert len(activities.requests(name)) == len(works) + 2


async def test_the_closing_report_is_tried_until_it_is_written(workflow_env):
    activities = ScriptedActivities(close=[*[DOWN] * 20, None])
    assert (await workflow_env.run_incident(activities)).phase is Phase.HEALED
    assert len(activities.requests("close")) == 21


async def test_the_same_action_id_is_used_in_every_retry(workflow_env):
    activities = ScriptedActivities(
        repair=[DOWN, raised(Conflict("changed meanwhile")), written], undo=[DOWN, written], verify=[NOT_HEALED, HEALED]
    )
    await workflow_env.run_incident(activities)
    assert activities.writes == [*["uid-incident-1"] * 3, *["uid-incident-1-undo"] * 2, "uid-incident-2"]


async def test_a_write_whose_outcome_is_unknown_is_repeated_as_the_same_until_it_is_certain(workflow_env, impatient):
    activities = ScriptedActivities(repair=[*[unanswered] * 3, DOWN, written])
    status = await workflow_env.run_incident(activities)
    assert status.phase is Phase.HEALED
    assert activities.writes == ["uid-incident-1"] * 5
    assert len(status.attempts) == 1
    assert len({order.model_dump_json() for order in activities.requests("repair")}) == 1


async def test_an_undo_whose_outcome_is_unknown_is_repeated_until_it_is_certain(workflow_env, impatient):
    activities = ScriptedActivities(verify=[NOT_HEALED, HEALED], undo=[*[unanswered] * 3, written])
    status = await workflow_env.run_incident(activities)
    assert activities.writes == ["uid-incident-1", *["uid-incident-1-undo"] * 4, "uid-incident-2"]
    assert status.attempts[0].undone


async def test_a_write_that_stays_uncertain_is_handed_over_as_such(workflow_env, monkeypatch):
    monkeypatch.setattr(activity_calls, "OUTCOME_UNKNOWN_LIMIT", timedelta(minutes=2))
    activities = ScriptedActivities(repair=DOWN)
    status = await workflow_env.run_incident(activities)
    assert (status.phase, status.reason) == (Phase.ESCALATED, "OutcomeUnknown")
    assert re.search(
        r"not known whether action uid-incident-\w{8}-1 was applied: the API server does not answer", status.message
    )
    assert status.attempts[0].verdict == "Unknown"
    assert set(activities.writes) == {"uid-incident-1"}


async def test_an_undo_that_stays_uncertain_is_handed_over_as_such(workflow_env, monkeypatch):
    monkeypatch.setattr(activity_calls, "OUTCOME_UNKNOWN_LIMIT", timedelta(minutes=2))
    status = await workflow_env.run_incident(ScriptedActivities(verify=NOT_HEALED, undo=DOWN))
    assert (status.phase, status.reason) == (Phase.ESCALATED, "NotUndone")
    assert not status.attempts[0].undone


@pytest.mark.parametrize(
    ("name", "error", "next_step"),
    [
        ("confirm", NotFound("Deployment shop/web does not exist"), "kubectl get deployment -n shop"),
        ("confirm", InvalidIncident("neither target nor podName"), "Correct what the message names"),
        ("diagnose", Forbidden("may not list pods"), "Correct what the message names"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.reason,
)
async def test_a_permanent_error_before_any_attempt_fails_the_incident(workflow_env, name, error, next_step):
    activities = ScriptedActivities(**{name: raised(error)})
    status = await workflow_env.run_incident(activities)
    assert (status.phase, status.reason, status.message) == (Phase.FAILED, error.reason, str(error))
    assert next_step in status.next_step
    assert condition(status, "Succeeded") == ("False", "Failed")
    assert len(activities.requests(name)) == 1
    assert (activities.writes, await workflow_env.escalation()) == ([], None)


@pytest.mark.parametrize("name", ["confirm", "diagnose", "verify"])
async def test_an_api_server_that_is_away_for_longer_is_waited_for(workflow_env, name):
    works = ScriptedActivities().script[name]
    activities = ScriptedActivities(**{name: [*[DOWN] * 25, *works]})
    assert (await workflow_env.run_incident(activities)).phase is Phase.HEALED
    assert len(activities.requests(name)) == len(works) + 25


async def test_an_api_server_that_never_answers_fails_the_incident_in_the_end(workflow_env, monkeypatch):
    monkeypatch.setattr(activity_calls, "UNREACHABLE_LIMIT", timedelta(seconds=30))
    activities = ScriptedActivities(confirm=DOWN)
    status = await workflow_env.run_incident(activities)
    assert (status.phase, status.reason) == (Phase.FAILED, "Unavailable")
    assert len(activities.requests("confirm")) == 10


async def test_what_fails_for_another_reason_fails_the_incident_when_its_attempts_are_used_up(workflow_env):
    activities = ScriptedActivities(confirm=raised(Conflict("changed meanwhile")))
    status = await workflow_env.run_incident(activities)
    assert (status.phase, status.reason) == (Phase.FAILED, "Conflict")
    assert len(activities.requests("confirm")) == 10


async def test_a_permanent_error_after_an_attempt_is_handed_over(workflow_env):
    activities = ScriptedActivities(diagnose=[a_report(), raised(Forbidden("may not list pods"))], verify=NOT_HEALED)
    status = await workflow_env.run_incident(activities)
    assert (status.phase, status.reason) == (Phase.ESCALATED, "Forbidden")
    assert activities.writes == ["uid-incident-1", "uid-incident-1-undo"]
    assert await workflow_env.escalation()


async def test_a_repair_that_nobody_can_judge_stays_in_force_and_is_handed_over(workflow_env):
    activities = ScriptedActivities(verify=raised(Forbidden("may not read pods")))
    status = await workflow_env.run_incident(activities)
    assert (status.phase, status.reason) == (Phase.ESCALATED, "CannotVerify")
    assert status.message == "The repair could not be verified and stays in force: may not read pods"
    assert activities.writes == ["uid-incident-1"]
    assert (status.attempts[0].verdict, status.attempts[0].undone) == ("Inconclusive", False)


async def test_a_repair_is_not_undone_because_the_api_server_stays_away(workflow_env, monkeypatch):
    monkeypatch.setattr(activity_calls, "UNREACHABLE_LIMIT", timedelta(minutes=2))
    activities = ScriptedActivities(verify=DOWN)
    status = await workflow_env.run_incident(activities)
    assert (status.phase, status.reason) == (Phase.ESCALATED, "CannotVerify")
    assert activities.writes == ["uid-incident-1"]


async def test_a_repair_that_is_refused_is_handed_over_with_nothing_to_undo(workflow_env):
    activities = ScriptedActivities(repair=raised(Refused("exceeded quota: limits.memory")))
    status = await workflow_env.run_incident(activities)
    assert (status.phase, status.reason, status.message) == (
        Phase.ESCALATED,
        "Refused",
        "exceeded quota: limits.memory",
    )
    assert activities.writes == ["uid-incident-1"]
    assert (status.attempts[0].verdict, status.attempts[0].written_at) == ("NotApplied", None)
    assert condition(status, "Repaired") is None


async def test_an_undo_of_what_became_somebody_elses_is_handed_over_and_not_repeated(workflow_env):
    activities = ScriptedActivities(verify=NOT_HEALED, undo=raised(ChangedSince("changed by kubectl-edit")))
    status = await workflow_env.run_incident(activities)
    assert (status.phase, status.reason) == (Phase.ESCALATED, "NotUndone")
    assert "changed by kubectl-edit" in status.message
    assert activities.writes == ["uid-incident-1", "uid-incident-1-undo"]
    assert not status.attempts[0].undone
    assert "NotUndone" in activities.events


@pytest.mark.parametrize("error", [DOWN, raised(Forbidden("may not write status"))], ids=["for a while", "for good"])
async def test_reports_that_fail_do_not_stop_the_healing_and_their_events_are_told_later(workflow_env, error):
    activities = ScriptedActivities(report=error)
    status = await workflow_env.run_incident(activities)
    assert status.phase is Phase.HEALED
    assert [event.reason for event in activities.requests("close")[0].events] == [
        "Diagnosed",
        "Repaired",
        "Verified",
        "Healed",
    ]


async def test_an_incident_that_was_deleted_before_anything_was_done_stops(workflow_env):
    activities = ScriptedActivities(
        report=raised(NotFound("the incident is gone")), close=raised(NotFound("the incident is gone"))
    )
    async with workflow_env.healing_worker(activities):
        handle = await workflow_env.start_incident()
        assert await ending(handle) == "Completed"
        assert (await handle.result()).reason == "IncidentDeleted"
    assert (activities.order, await workflow_env.escalation()) == (["close"], None)


async def test_an_incident_that_is_deleted_during_the_verification_is_undone_and_stops(workflow_env):
    gone = raised(NotFound("the incident is gone"))
    activities = ScriptedActivities(
        report=lambda request: gone if request.status.phase is Phase.VERIFYING else None, close=gone
    )
    async with workflow_env.healing_worker(activities):
        assert await ending(await workflow_env.start_incident()) == "Completed"
    assert activities.writes == ["uid-incident-1", "uid-incident-1-undo"]
    assert await workflow_env.escalation() is None


async def test_an_incident_that_is_deleted_right_before_its_repair_is_not_repaired(workflow_env):
    gone = raised(NotFound("the incident is gone"))
    activities = ScriptedActivities(
        report=lambda request: gone if request.status.phase is Phase.REPAIRING else None, close=gone
    )
    status = await workflow_env.run_incident(activities)
    assert (status.reason, status.attempts[0].verdict) == ("IncidentDeleted", "NotApplied")
    assert activities.writes == []


async def test_people_are_told_even_when_the_status_cannot_be_written(workflow_env):
    activities = ScriptedActivities(repair=raised(Refused("no")), close=raised(Forbidden("may not write status")))
    async with workflow_env.healing_worker(activities):
        assert await ending(await workflow_env.start_incident()) == "Failed"
    assert await workflow_env.escalation()


async def test_a_healing_survives_a_worker_that_forgets_everything_between_two_steps(workflow_env):
    activities = ScriptedActivities(verify=[NOT_HEALED, HEALED])
    async with workflow_env.healing_worker(activities, max_cached_workflows=0):
        status = await (await workflow_env.start_incident()).result()
    assert status.phase is Phase.HEALED
    assert activities.writes == ["uid-incident-1", "uid-incident-1-undo", "uid-incident-2"]
