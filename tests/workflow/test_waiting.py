"""Waiting with a guard: the fault is checked again each time, and its cause elsewhere is reported all along."""

from datetime import timedelta

import pytest
from builders import NOW, a_diagnosis, a_report
from workflow.healing_env import HEALED, SETTLING, ScriptedActivities, condition, raised, seen

from prunella_workflows.model.errors import Held
from prunella_workflows.model.incident_status import CausedBy, Phase
from prunella_workflows.model.outcome import Cause, Effect, GuardResult, Presence
from prunella_workflows.model.plan import Plan

BUSY = GuardResult(name="Concurrency", effect=Effect.WAIT, reason="NamespaceBusy", message="5 repairs run.")
DOWN = GuardResult(name="Dependency", effect=Effect.WAIT, reason="DependencyDown", message="Deployment/ledger is down.")
NOTE = CausedBy(incident="ledger-1", target="Deployment/ledger", message="Deployment/ledger is down.")
GONE = seen(Presence.RECOVERED, "HealedByItself")
WATCHING = seen(Presence.WATCHING, "Watching")


def waits(guard=DOWN, note=NOTE):
    """A diagnosis that waits."""
    plan = Plan(reason="DependencyDown", message="Deployment/ledger is down.", next_step="See incident ledger-1.")
    elsewhere = {"diagnosis": a_diagnosis(Cause.DEPENDENCY_DOWN), "plan": plan} if guard.name == "Dependency" else {}
    return a_report(guards=(guard,), caused_by=note).model_copy(update=elsewhere)


OVER = waits(GuardResult(name="Dependency"))


@pytest.mark.parametrize("guard", [BUSY, DOWN])
async def test_a_fault_that_goes_away_during_a_wait_is_recovered(workflow_env, guard):
    activities = ScriptedActivities(confirm=[seen(), seen(), WATCHING, GONE], diagnose=waits(guard, None))
    status = await workflow_env.run_incident(activities)
    assert activities.order == ["confirm", "diagnose", "confirm", "diagnose", "confirm", "confirm", "close"]
    assert (status.phase, status.reason) == (Phase.RECOVERED, "HealedByItself")
    assert condition(status, "Succeeded") == ("True", "Recovered")
    assert activities.writes == []


async def test_a_start_is_watched_until_its_deadline_which_the_status_names(workflow_env):
    until = NOW + timedelta(hours=1)
    watched = seen(Presence.WATCHING, "Starting", until=until)
    activities = ScriptedActivities(confirm=[*[watched] * 150, GONE])
    status = await workflow_env.run_incident(activities)
    assert (status.phase, activities.order[-2:]) == (Phase.RECOVERED, ["confirm", "close"])
    first, named, _ = activities.statuses
    assert (named.phase, named.message) == (first.phase, watched.sighting.message)


async def test_what_recovers_with_what_caused_it_says_so(workflow_env):
    status = await workflow_env.run_incident(ScriptedActivities(confirm=[seen(), GONE], diagnose=waits()))
    assert (status.phase, status.reason) == (Phase.RECOVERED, "RecoveredWithCause")
    assert "Deployment/ledger was the cause" in status.message
    assert status.caused_by == NOTE


async def test_where_nothing_may_be_written_what_it_depends_on_is_shown(workflow_env):
    observed = GuardResult(name="Mode", effect=Effect.SHOW_ONLY, reason="ObserveMode", message="Only observed.")
    report = waits().model_copy(update={"guards": (observed, DOWN)})
    status = await workflow_env.run_incident(ScriptedActivities(diagnose=report))
    assert (status.phase, status.caused_by) == (Phase.DRY_RUN_DONE, NOTE)
    assert status.message == "Deployment/ledger is down. Nothing was written."


async def test_while_it_waits_the_status_says_for_what(workflow_env):
    activities = ScriptedActivities(confirm=[seen(), seen(), GONE], diagnose=waits())
    await workflow_env.run_incident(activities)
    sent = [status for status in activities.statuses if status.reason == "DependencyDown"]
    assert [(one.phase, one.caused_by, one.root_cause) for one in sent] == [(Phase.DIAGNOSING, NOTE, "dependency_down")]
    assert activities.events.count("CausedElsewhere") == 1


async def test_a_fault_that_is_still_there_once_the_wait_is_over_is_repaired(workflow_env):
    activities = ScriptedActivities(diagnose=[waits(), a_report()], verify=[SETTLING, HEALED])
    status = await workflow_env.run_incident(activities)
    assert activities.order == ["confirm", "diagnose", "confirm", "diagnose", "repair", "verify", "verify", "close"]
    assert (status.phase, status.caused_by) == (Phase.HEALED, None)


async def test_a_wait_that_is_over_ends_with_a_person_who_is_told_whose_incident_it_is(workflow_env):
    status = await workflow_env.run_incident(ScriptedActivities(diagnose=[waits(), OVER]))
    assert (status.phase, status.reason) == (Phase.ESCALATED, "DependencyDown")
    assert status.escalation.next_step == "See incident ledger-1."
    assert status.caused_by == NOTE


async def test_each_look_after_the_first_counts_crashes_from_then_on(workflow_env):
    activities = ScriptedActivities(confirm=[seen(), seen(), GONE], diagnose=waits())
    await workflow_env.run_incident(activities)
    first, *later = [one.since for one in activities.requests("confirm")]
    assert first is None
    assert [one - NOW >= timedelta(seconds=14) for one in later] == [True, True]
    assert later == sorted(later)


async def test_the_diagnosis_hears_for_what_and_since_when_it_has_been_waiting(workflow_env):
    database = NOTE.model_copy(update={"target": "StatefulSet/db"})
    reports = [waits(BUSY, None), waits(), waits(), waits(note=database), waits(BUSY, None), OVER]
    activities = ScriptedActivities(diagnose=reports)
    await workflow_env.run_incident(activities)
    asked = activities.requests("diagnose")
    assert [one.waiting_for for one in asked] == [
        *("", "", "Deployment/ledger", "Deployment/ledger", "StatefulSet/db", ""),
    ]
    since = [one.waiting_since for one in asked]
    assert since[:2] == [None, None]
    assert since[2] == since[3] < since[4]
    assert since[5] is None


async def test_a_repair_that_is_held_back_at_the_last_moment_is_looked_at_again_too(workflow_env):
    activities = ScriptedActivities(confirm=[seen(), GONE], repair=raised(Held("5 repairs run.")))
    status = await workflow_env.run_incident(activities)
    assert activities.order == ["confirm", "diagnose", "repair", "confirm", "close"]
    assert status.phase is Phase.RECOVERED
