"""SelfHealing, left alone: from the confirmation over attempts and undos to its end."""

from datetime import timedelta

import pytest
from builders import (
    MI,
    WEB,
    a_diagnosis,
    a_memory_raise,
    a_precondition,
    a_report,
    a_rollback,
    a_spec,
    a_step,
    an_attempt,
)
from workflow.healing_env import (
    HEALED,
    NOT_HEALED,
    SETTLING,
    ScriptedActivities,
    condition,
    judged,
    raised,
    seen,
    written,
)

from prunella_workflows.model.errors import ChangedSince
from prunella_workflows.model.incident import Mode
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.model.outcome import Cause, Effect, GuardResult, Presence, Verdict
from prunella_workflows.model.plan import Plan, Restart

SECOND = a_report(a_step(a_memory_raise(128 * MI)))
NOTHING_LEFT = a_report().model_copy(
    update={"plan": Plan(reason="MemoryLeakSuspected", message="It may be leaking.", next_step="Look at its memory.")}
)
WATCHING = seen(Presence.WATCHING, "Watching")
RECOVERED = seen(Presence.RECOVERED, "HealedByItself")


def _held(effect, reason="Busy", message="5 repairs run in this namespace.", next_step=""):
    guards = (
        GuardResult(name="OptedOut"),
        GuardResult(name="Guard", effect=effect, reason=reason, message=message, next_step=next_step),
    )
    return a_report(guards=guards)


async def test_heals_at_the_first_try(workflow_env):
    activities = ScriptedActivities()
    status = await workflow_env.run_incident(activities)

    assert activities.order == ["confirm", "diagnose", "repair", "verify", "verify", "close"]
    assert (status.phase, status.reason) == (Phase.HEALED, "Stable")
    assert "SetMemory (container app, from 64Mi, to 96Mi) healed Deployment/web" in status.message
    assert (status.target, status.root_cause, status.confidence, status.action) == (
        "Deployment/web",
        "pod_oom_killed",
        "95%",
        "SetMemory",
    )
    assert {
        kind: condition(status, kind) for kind in ("Diagnosed", "Repaired", "Verified", "Succeeded", "Escalated")
    } == {
        "Diagnosed": ("True", "PodOomKilled"),
        "Repaired": ("True", "SetMemory"),
        "Verified": ("True", "Stable"),
        "Succeeded": ("True", "Healed"),
        "Escalated": None,
    }
    assert activities.events == ["Diagnosed", "Repaired", "Verified", "Healed"]
    assert activities.statuses[-1] == status


async def test_healed_by_pods_from_before_the_repair_is_not_called_verified(workflow_env):
    activities = ScriptedActivities(verify=judged(Verdict.HEALED, "ServedByExistingPods"))
    status = await workflow_env.run_incident(activities)
    assert (status.phase, status.reason) == (Phase.HEALED, "ServedByExistingPods")
    assert condition(status, "Verified") == ("Unknown", "ServedByExistingPods")
    assert condition(status, "Succeeded") == ("True", "Healed")


async def test_the_times_are_told_in_their_order(workflow_env):
    status = await workflow_env.run_incident(ScriptedActivities())
    times = status.times
    assert times.fault_at <= times.detected_at <= times.started_at <= times.diagnosed_at <= times.healed_at
    assert times.healed_at == times.closed_at
    assert times.repaired_at is not None
    assert status.healed_in
    (attempt,) = status.attempts
    assert attempt.started_at <= attempt.finished_at
    assert attempt.written_at == times.repaired_at


async def test_an_open_incident_says_so(workflow_env):
    activities = ScriptedActivities()
    await workflow_env.run_incident(activities)
    open_ones = [status for status in activities.statuses if not status.phase.closed]
    assert {one.phase for one in open_ones} == {Phase.CONFIRMING, Phase.REPAIRING, Phase.VERIFYING}
    assert {condition(one, "Succeeded") for one in open_ones} == {("Unknown", "Open")}
    assert all(one.times.closed_at is None for one in open_ones)
    assert activities.statuses[0].workflow.id == "incident-uid-incident"
    assert activities.statuses[0].workflow.run_id
    assert activities.statuses[0].trace_id == "0af7651916cd43dd8448eb211c80319c"


async def test_what_is_verified_is_what_was_written(workflow_env):
    activities = ScriptedActivities(repair=lambda order: written(order, template_hash="hash-of-the-repair"))
    await workflow_env.run_incident(activities)
    (order,), look = activities.requests("repair"), activities.requests("verify")[0]
    assert order.action == a_memory_raise()
    assert (look.action_id, look.template_hash, look.baseline.available) == (order.action_id, "hash-of-the-repair", 2)
    assert (look.settle.timeout, look.settle.window) == (120, 60)


async def test_the_second_attempt_follows_an_undo(workflow_env):
    activities = ScriptedActivities(diagnose=[a_report(), SECOND], verify=[NOT_HEALED, HEALED])
    status = await workflow_env.run_incident(activities)

    assert status.phase is Phase.HEALED
    assert activities.writes == ["uid-incident-1", "uid-incident-1-undo", "uid-incident-2"]
    assert [(attempt.verdict, attempt.undone) for attempt in status.attempts] == [
        ("NotHealed", True),
        ("Healed", False),
    ]
    assert condition(status, "Repaired") == ("True", "SetMemory")
    tried = activities.requests("diagnose")[1].tried
    assert [(attempt.number, attempt.parameters["to"], attempt.undone) for attempt in tried] == [(1, "96Mi", True)]
    assert activities.requests("undo")[0].action == a_rollback(description="what was there before")


async def test_after_an_undo_the_fault_must_be_seen_again(workflow_env):
    activities = ScriptedActivities(
        confirm=[seen(), WATCHING, seen()], diagnose=[a_report(), SECOND], verify=[NOT_HEALED, HEALED]
    )
    await workflow_env.run_incident(activities)
    assert activities.order == [
        *("confirm", "diagnose", "repair", "verify", "undo"),
        *("confirm", "confirm", "diagnose", "repair", "verify", "close"),
    ]


async def test_what_heals_by_itself_after_an_undo_is_recovered(workflow_env):
    activities = ScriptedActivities(confirm=[seen(), RECOVERED], verify=NOT_HEALED)
    status = await workflow_env.run_incident(activities)
    assert status.phase is Phase.RECOVERED
    assert activities.writes == ["uid-incident-1", "uid-incident-1-undo"]
    assert status.attempts[0].undone


async def test_a_restart_is_not_undone(workflow_env):
    restart = a_step(Restart(target=WEB, require=a_precondition(), stamp="2026-03-04T12:00:00Z"))
    activities = ScriptedActivities(
        diagnose=[a_report(restart), NOTHING_LEFT], repair=lambda order: written(order, undo=None), verify=NOT_HEALED
    )
    status = await workflow_env.run_incident(activities)
    assert (status.phase, activities.writes) == (Phase.ESCALATED, ["uid-incident-1"])
    assert (status.attempts[0].verdict, status.attempts[0].undone) == ("NotHealed", False)


async def test_a_repair_that_made_it_worse_is_undone_as_well(workflow_env):
    activities = ScriptedActivities(diagnose=[a_report(), NOTHING_LEFT], verify=judged(Verdict.WORSE, "FewerAvailable"))
    status = await workflow_env.run_incident(activities)
    assert (status.phase, activities.writes) == (Phase.ESCALATED, ["uid-incident-1", "uid-incident-1-undo"])


async def test_when_nothing_is_left_a_person_takes_over_and_everything_is_undone(workflow_env):
    activities = ScriptedActivities(diagnose=[a_report(), SECOND, NOTHING_LEFT], verify=NOT_HEALED)
    status = await workflow_env.run_incident(activities)

    assert activities.writes == ["uid-incident-1", "uid-incident-1-undo", "uid-incident-2", "uid-incident-2-undo"]
    assert (status.phase, status.reason, status.next_step) == (
        Phase.ESCALATED,
        "MemoryLeakSuspected",
        "Look at its memory.",
    )
    assert all(attempt.undone and attempt.verdict == "NotHealed" and attempt.finished_at for attempt in status.attempts)
    assert condition(status, "Succeeded") == ("False", "Escalated")
    assert condition(status, "Escalated") == ("True", "MemoryLeakSuspected")
    assert condition(status, "Repaired") == ("False", "Undone")
    assert (status.times.healed_at, status.healed_in) == (None, "")
    escalation = await workflow_env.escalation()
    assert escalation.rule.channels == ("shop/pager",)
    assert escalation.status == status
    assert activities.order[-1] == "close"


async def test_the_policys_number_of_attempts_is_kept(workflow_env):
    activities = ScriptedActivities(diagnose=a_report(attempts_max=2), verify=NOT_HEALED)
    status = await workflow_env.run_incident(activities)
    assert (status.phase, status.reason) == (Phase.ESCALATED, "AttemptsExhausted")
    assert (len(activities.requests("repair")), len(activities.requests("undo"))) == (2, 2)


async def test_what_a_lost_run_tried_counts_and_its_ids_are_not_used_again(workflow_env):
    activities = ScriptedActivities(diagnose=a_report(attempts_max=2), verify=NOT_HEALED)
    status = await workflow_env.run_incident(activities, attempts=(an_attempt(1),))
    (order,), (undo,) = activities.requests("repair"), activities.requests("undo")
    assert order.action_id == f"uid-incident-{status.workflow.run_id[-8:]}-2"
    assert undo.action_id == f"{order.action_id}-undo"
    assert (status.reason, [attempt.number for attempt in status.attempts]) == ("AttemptsExhausted", [1, 2])


EARLIER = an_attempt(1, undone=False, incident="web-1")


async def test_a_relapse_goes_on_from_the_attempts_of_the_earlier_incident(workflow_env):
    step = a_step(a_rollback(undo_to=a_rollback().revision))
    activities = ScriptedActivities(diagnose=a_report(step, earlier=(EARLIER,)))
    status = await workflow_env.run_incident(activities)
    (order,) = activities.requests("repair")
    assert (order.continues, activities.writes) == (("web-1",), ["uid-incident-2"])
    assert [(made.number, made.incident, made.undone) for made in status.attempts] == [
        (1, "web-1", True),
        (2, "", False),
    ]
    assert status.phase is Phase.HEALED


async def test_a_relapse_of_which_nothing_is_left_undoes_what_did_not_last_and_escalates(workflow_env):
    plan = Plan(steps=(a_step(a_rollback()),), undoes=True, reason="MemoryLeakSuspected", message="It is undone.")
    report = a_report(earlier=(EARLIER,), attempts_max=1).model_copy(update={"plan": plan})
    activities = ScriptedActivities(diagnose=report)
    status = await workflow_env.run_incident(activities)
    assert activities.order == ["confirm", "diagnose", "undo", "close"]
    (undo,) = activities.requests("undo")
    assert (undo.action_id, undo.action) == ("uid-incident-1-undo", a_rollback())
    assert (status.phase, status.reason) == (Phase.ESCALATED, "MemoryLeakSuspected")
    assert status.attempts[0].undone


async def test_no_attempt_is_allowed(workflow_env):
    activities = ScriptedActivities(diagnose=a_report(attempts_max=0))
    assert (await workflow_env.run_incident(activities)).reason == "AttemptsExhausted"
    assert activities.writes == []


async def test_what_heals_by_itself_is_recovered_and_nothing_is_written(workflow_env):
    activities = ScriptedActivities(confirm=[WATCHING, WATCHING, RECOVERED])
    status = await workflow_env.run_incident(activities)
    assert activities.order == ["confirm", "confirm", "confirm", "close"]
    assert (status.phase, status.reason) == (Phase.RECOVERED, "HealedByItself")
    assert condition(status, "Succeeded") == ("True", "Recovered")
    assert status.times.healed_at == status.times.closed_at
    assert status.attempts == ()


async def test_what_neither_persists_nor_goes_away_is_diagnosed_after_a_while(workflow_env):
    activities = ScriptedActivities(confirm=WATCHING)
    status = await workflow_env.run_incident(activities)
    assert status.phase is Phase.HEALED
    waited = status.times.diagnosed_at - status.times.started_at
    assert timedelta(minutes=15) < waited < timedelta(minutes=16)
    assert len(activities.requests("confirm")) < 150


async def test_a_dry_run_shows_the_exact_change_and_writes_nothing(workflow_env):
    activities = ScriptedActivities()
    status = await workflow_env.run_incident(activities, spec=a_spec(mode=Mode.DRY_RUN))
    assert activities.order == ["confirm", "diagnose", "close"]
    assert (status.phase, status.reason) == (Phase.DRY_RUN_DONE, "DryRun")
    assert "Would do: Set the memory limit of container app from 64Mi to 96Mi" in status.message
    assert status.diff == "-64Mi\n+96Mi"
    assert condition(status, "Succeeded") == ("False", "DryRunDone")


async def test_observe_mode_shows_the_change_and_writes_nothing(workflow_env):
    activities = ScriptedActivities(
        diagnose=_held(Effect.SHOW_ONLY, "ObserveMode", next_step="kubectl label namespace shop ...")
    )
    status = await workflow_env.run_incident(activities)
    assert activities.order == ["confirm", "diagnose", "close"]
    assert (status.phase, status.reason) == (Phase.DRY_RUN_DONE, "ObserveMode")
    assert status.next_step == "kubectl label namespace shop ..."
    assert [(guard.name, guard.held) for guard in status.guards] == [("OptedOut", False), ("Guard", True)]


async def test_a_guard_that_suppresses_closes_the_incident_unseen(workflow_env):
    activities = ScriptedActivities(diagnose=_held(Effect.SUPPRESS, "Ignored"))
    status = await workflow_env.run_incident(activities, spec=a_spec(mode=Mode.DRY_RUN))
    assert (status.phase, status.reason) == (Phase.SUPPRESSED, "Ignored")
    assert activities.order == ["confirm", "diagnose", "close"]
    assert condition(status, "Succeeded") == ("False", "Suppressed")


@pytest.mark.parametrize(
    ("next_step", "expected"),
    [
        ("Make this change in Git.", "Make this change in Git."),
        ("", "Set the memory limit of container app from 64Mi to 96Mi"),
    ],
    ids=["with the guard's advice", "with the change itself"],
)
async def test_a_guard_that_escalates_hands_over(workflow_env, next_step, expected):
    activities = ScriptedActivities(diagnose=_held(Effect.ESCALATE, "OwnedElsewhere", next_step=next_step))
    status = await workflow_env.run_incident(activities)
    assert (status.phase, status.reason, status.next_step) == (Phase.ESCALATED, "OwnedElsewhere", expected)
    assert activities.writes == []
    assert await workflow_env.escalation()


async def test_a_guard_that_waits_lets_go_later(workflow_env):
    activities = ScriptedActivities(diagnose=[_held(Effect.WAIT), _held(Effect.WAIT), a_report()])
    status = await workflow_env.run_incident(activities)
    assert status.phase is Phase.HEALED
    assert len(activities.requests("diagnose")) == 3
    assert [one.message for one in activities.statuses if one.reason == "Busy"] == ["5 repairs run in this namespace."]
    assert activities.events.count("Diagnosed") == 1


async def test_a_guard_that_waits_for_half_a_day_hands_over_with_a_small_history(workflow_env):
    activities = ScriptedActivities(diagnose=_held(Effect.WAIT))
    status = await workflow_env.run_incident(activities)
    assert (status.phase, status.reason) == (Phase.ESCALATED, "Busy")
    assert timedelta(hours=12) < status.times.closed_at - status.times.started_at < timedelta(hours=12, minutes=6)
    assert len(activities.requests("diagnose")) < 250
    assert len(activities.requests("report")) < 5
    assert activities.writes == []


async def test_a_release_in_progress_is_waited_for_before_anybody_is_called(workflow_env):
    waits = NOTHING_LEFT.model_copy(update={"guards": _held(Effect.WAIT).guards})
    activities = ScriptedActivities(diagnose=[waits, NOTHING_LEFT])
    assert (await workflow_env.run_incident(activities)).reason == "MemoryLeakSuspected"
    assert len(activities.requests("diagnose")) == 2


async def test_a_guard_that_waits_is_heard_even_when_there_is_nothing_to_do_yet(workflow_env):
    """A release that a person is rolling out may explain why there is no step: what it comes to is seen later."""
    waiting = NOTHING_LEFT.model_copy(update={"guards": _held(Effect.WAIT, "RolloutInProgress").guards})
    activities = ScriptedActivities(diagnose=[waiting, a_report()])
    assert (await workflow_env.run_incident(activities)).phase is Phase.HEALED
    assert len(activities.requests("diagnose")) == 2


async def test_a_cause_that_cannot_be_repaired_is_handed_over(workflow_env):
    plan = Plan(reason="NoPlaybook", message="No playbook recognises this.", next_step="Look at the evidence.")
    activities = ScriptedActivities(
        diagnose=a_report(diagnosis=a_diagnosis(Cause.UNKNOWN)).model_copy(update={"plan": plan})
    )
    status = await workflow_env.run_incident(activities)
    assert (status.phase, status.reason, status.root_cause) == (Phase.ESCALATED, "NoPlaybook", "unknown")
    assert activities.writes == []


async def test_an_inconclusive_verdict_is_handed_over_and_not_undone(workflow_env):
    activities = ScriptedActivities(
        verify=[SETTLING, judged(Verdict.INCONCLUSIVE, "ChangedByOthers", "Someone changed it.")]
    )
    status = await workflow_env.run_incident(activities)
    assert (status.phase, status.reason) == (Phase.ESCALATED, "ChangedByOthers")
    assert activities.writes == ["uid-incident-1"]
    assert condition(status, "Verified") == ("False", "ChangedByOthers")


async def test_an_object_that_changed_is_diagnosed_again_under_a_new_attempt(workflow_env):
    changed = raised(ChangedSince("the template is another one"))
    activities = ScriptedActivities(diagnose=[a_report(), SECOND], repair=[changed, written])
    status = await workflow_env.run_incident(activities)
    assert status.phase is Phase.HEALED
    assert activities.writes == ["uid-incident-1", "uid-incident-2"]
    assert [(attempt.number, attempt.verdict, attempt.undone) for attempt in status.attempts] == [
        (1, "NotApplied", False),
        (2, "Healed", False),
    ]
    assert activities.requests("diagnose")[1].tried == ()  # nothing was written, so nothing was tried
    assert "RepairNotMade" in activities.events


async def test_an_object_that_changes_all_the_time_is_handed_over(workflow_env):
    activities = ScriptedActivities(repair=raised(ChangedSince("the template is another one")))
    status = await workflow_env.run_incident(activities)
    assert (status.phase, status.reason, status.message) == (
        Phase.ESCALATED,
        "CannotRepair",
        "the template is another one",
    )
    assert len(activities.writes) == 5


async def test_an_owner_who_mends_it_right_before_our_write_is_left_alone(workflow_env):
    activities = ScriptedActivities(
        confirm=[seen(), RECOVERED], repair=raised(ChangedSince("the pod template of web was changed"))
    )
    status = await workflow_env.run_incident(activities)
    assert activities.order == ["confirm", "diagnose", "repair", "confirm", "close"]
    assert (status.phase, status.attempts[0].verdict) == (Phase.RECOVERED, "NotApplied")
