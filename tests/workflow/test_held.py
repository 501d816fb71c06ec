"""A guard says "not now" right before the write: nothing was written, and it is asked for again later."""

from datetime import timedelta

from builders import a_report
from workflow.healing_env import HEALED, NOT_HEALED, ScriptedActivities, raised, seen, written

from prunella_workflows.healing import workflow as healing
from prunella_workflows.healing.workflow import SelfHealing
from prunella_workflows.model.errors import ChangedSince, Held
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.model.outcome import Cause, Effect, GuardResult, Presence

BUSY = GuardResult(name="Concurrency", effect=Effect.WAIT, reason="NamespaceBusy", message="5 repairs run here.")
FULL = GuardResult(name="Concurrency", effect=Effect.WAIT, reason="ClusterBusy", message="20 repairs run.")
HELD = raised(Held("guard Concurrency holds now: 5 repairs run here."))


def wait_for_reason(activities):
    notes = [event for name in ("report", "close") for request in activities.requests(name) for event in request.events]
    return [(note.reason, note.note) for note in notes if note.reason.startswith("Guard")]


async def test_it_is_tried_again_after_a_new_diagnosis(workflow_env):
    activities = ScriptedActivities(repair=[HELD, written])
    status = await workflow_env.run_incident(activities)
    assert activities.order[:6] == ["confirm", "diagnose", "repair", "confirm", "diagnose", "repair"]
    assert (status.phase, [attempt.verdict for attempt in status.attempts]) == (Phase.HEALED, ["Healed"])
    assert (status.attempts[0].number, activities.writes) == (2, ["uid-incident-1", "uid-incident-2"])


async def test_while_it_waits_the_status_says_so_and_announces_nothing(workflow_env):
    activities = ScriptedActivities(repair=[HELD, written])
    await workflow_env.run_incident(activities)
    (waiting,) = [status for status in activities.statuses if status.reason == "GuardBlocked"]
    assert (waiting.phase, waiting.attempts, waiting.action) == (Phase.DIAGNOSING, (), "")
    assert waiting.message == "guard Concurrency holds now: 5 repairs run here."


async def test_being_held_is_no_replan_however_often(workflow_env):
    activities = ScriptedActivities(repair=[*[HELD] * 12, written])
    status = await workflow_env.run_incident(activities)
    assert (status.phase, len(status.attempts)) == (Phase.HEALED, 1)
    assert status.times.closed_at - status.times.started_at >= timedelta(seconds=12 * 15)
    assert wait_for_reason(activities) == [("GuardBlocked", "guard Concurrency holds now: 5 repairs run here.")]


async def test_half_a_day_of_it_is_enough(workflow_env, monkeypatch):
    monkeypatch.setattr(healing, "GUARD_WAIT_LIMIT", timedelta(minutes=2))
    activities = ScriptedActivities(repair=HELD)
    status = await workflow_env.run_incident(activities)
    assert (status.phase, status.reason) == (Phase.ESCALATED, "CannotRepair")
    assert status.message == "guard Concurrency holds now: 5 repairs run here."
    assert timedelta(minutes=2) < status.times.closed_at - status.times.started_at < timedelta(minutes=3)


async def test_waiting_at_the_diagnosis_and_being_held_at_the_write_are_one_wait(workflow_env, monkeypatch):
    monkeypatch.setattr(healing, "GUARD_WAIT_LIMIT", timedelta(minutes=2))
    activities = ScriptedActivities(diagnose=[a_report(guards=(BUSY,)), a_report()] * 20, repair=HELD)
    status = await workflow_env.run_incident(activities)
    assert timedelta(minutes=2) < status.times.closed_at - status.times.started_at < timedelta(minutes=3)


async def test_a_repair_that_was_made_ends_the_wait(workflow_env, monkeypatch):
    """A wait before the second step has a limit of its own."""
    monkeypatch.setattr(healing, "GUARD_WAIT_LIMIT", timedelta(minutes=2))
    waits = [a_report(guards=(BUSY,))] * 6
    activities = ScriptedActivities(diagnose=[*waits, a_report(), *waits, a_report()], verify=[NOT_HEALED, HEALED])
    status = await workflow_env.run_incident(activities)
    assert (status.phase, len(status.attempts)) == (Phase.HEALED, 2)


async def test_a_fault_that_heals_itself_meanwhile_is_recovered(workflow_env):
    recovered = seen(Presence.RECOVERED, "HealedByItself")
    activities = ScriptedActivities(confirm=[seen(), recovered], repair=HELD)
    status = await workflow_env.run_incident(activities)
    assert (status.phase, status.attempts) == (Phase.RECOVERED, ())


async def test_an_earlier_attempt_stays_on_record(workflow_env):
    activities = ScriptedActivities(repair=[written, HELD, written], verify=[NOT_HEALED, HEALED])
    status = await workflow_env.run_incident(activities)
    assert [(attempt.number, attempt.verdict) for attempt in status.attempts] == [(1, "NotHealed"), (3, "Healed")]
    (waiting,) = [one for one in activities.statuses if one.reason == "GuardBlocked"]
    assert (waiting.action, len(waiting.attempts)) == ("SetMemory", 1)
    assert activities.writes == ["uid-incident-1", "uid-incident-1-undo", "uid-incident-2", "uid-incident-3"]


async def test_suspended_meanwhile_it_stands_still(workflow_env):
    async def suspend(_order):
        await workflow_env.handle.signal(SelfHealing.suspend, arg=True)
        return raised(Held("incident web-oom is suspended"))

    activities = ScriptedActivities(repair=[suspend, written])
    async with workflow_env.healing_worker(activities):
        handle = await workflow_env.start_incident()
        await activities.wait_for_reason("GuardBlocked")
        await workflow_env.environment.sleep(timedelta(seconds=16))
        await activities.wait_for_reason("Suspended")
        assert len(activities.requests("repair")) == 1
        await handle.signal(SelfHealing.suspend, arg=False)
        assert (await handle.result()).phase is Phase.HEALED


async def test_the_write_is_asked_about_what_was_diagnosed(workflow_env):
    activities = ScriptedActivities()
    await workflow_env.run_incident(activities)
    (order,) = activities.requests("repair")
    assert (order.cause, order.severity, order.answer) == (Cause.POD_OOM_KILLED, "High", None)


# What guards say, as Events


async def test_a_guard_is_told_once_and_again_when_its_answer_changes(workflow_env):
    reports = [BUSY, BUSY, FULL, FULL]
    activities = ScriptedActivities(
        diagnose=[*(a_report(guards=(report,)) for report in reports), a_report(guards=(_passed(),))]
    )
    await workflow_env.run_incident(activities)
    assert wait_for_reason(activities) == [
        ("GuardBlocked", "Concurrency: NamespaceBusy: 5 repairs run here."),
        ("GuardBlocked", "Concurrency: ClusterBusy: 20 repairs run."),
        ("GuardCleared", "Concurrency no longer blocks the repair."),
    ]


async def test_every_guard_that_holds_is_told(workflow_env):
    mode = GuardResult(name="Mode", effect=Effect.SHOW_ONLY, reason="ObserveMode", message="Only observing.")
    activities = ScriptedActivities(diagnose=a_report(guards=(mode, BUSY)))
    await workflow_env.run_incident(activities)
    assert [note.partition(":")[0] for _, note in wait_for_reason(activities)] == ["Mode", "Concurrency"]


async def test_the_next_diagnosis_knows_which_guards_held(workflow_env):
    """So that the counter counts once what holds for hours."""
    activities = ScriptedActivities(diagnose=[a_report(guards=(BUSY, _passed("Mode"))), a_report()])
    await workflow_env.run_incident(activities)
    first, second = (request.known for request in activities.requests("diagnose"))
    assert (first, [(one.name, one.reason) for one in second]) == ((), [("Concurrency", "NamespaceBusy")])


async def test_an_object_that_changed_is_still_a_replan(workflow_env):
    activities = ScriptedActivities(repair=[HELD, *[raised(ChangedSince("another template"))] * 5])
    status = await workflow_env.run_incident(activities)
    assert (status.phase, status.reason, len(status.attempts)) == (Phase.ESCALATED, "CannotRepair", 5)


def _passed(name="Concurrency"):
    return GuardResult(name=name)
