"""AlertHandling from its first firing to its end, on the time-skipping server."""

from datetime import timedelta
from functools import partial

import pytest
from workflow.alert_env import (
    HEALING,
    JOINED,
    QUEUE,
    ScriptedAlertActivities,
    alert_worker,
    enriched,
    firing,
    resolved,
    send,
    sends,
    stands,
)
from workflow.healing_env import cancel_and_see, ending, raised

from prunella_workflows.alerts.batch_workflow import AlertIntake
from prunella_workflows.alerts.incident_follower import CHECK_INTERVAL
from prunella_workflows.alerts.workflow import AlertHandling
from prunella_workflows.contracts.alerts import (
    AlertBatch,
    Opened,
    Outcome,
    Stage,
    StillFiring,
    Withdrawn,
    alert_workflow_id,
)
from prunella_workflows.model.alert_policy import AlertHandlingMode
from prunella_workflows.model.errors import AuthenticationError, Forbidden, Unavailable
from prunella_workflows.model.incident_status import Phase

NOTIFY, RECORD = AlertHandlingMode.NOTIFY, AlertHandlingMode.RECORD


@pytest.fixture
def client(workflow_env):
    return workflow_env.client


async def run_incident(client, activities, *alerts, until=("record", 1), end=None):
    """Send alerts, end the alert while an activity is called for the so-manieth time; the final state."""
    activities.during(*until, sends(client, end or resolved(0, 60)))
    async with alert_worker(client, activities):
        for alert in alerts:
            handle = await send(client, alert)
        return await handle.result()


# Critical


async def test_a_critical_alert_is_told_repaired_recorded_and_its_end_is_told(client):
    activities = ScriptedAlertActivities()
    state = await run_incident(client, activities, firing())
    assert (state.stage, state.outcome, state.round) == (Stage.DONE, Outcome.REPAIRED, 1)
    assert activities.titles == [
        "KubePodCrashLooping fires",
        "KubePodCrashLooping repaired",
        "KubePodCrashLooping is over",
    ]
    assert activities.order[:2] == ["enrich", "open"]
    assert [request.resolved for request in activities.requests("record")] == [False, True]
    assert activities.requests("ticket") == []


async def test_the_urgent_message_says_what_a_person_must_know(client):
    activities = ScriptedAlertActivities()
    await run_incident(client, activities, firing())
    message = activities.requests("notify")[0].message
    assert (message.severity, message.where, message.what) == (
        "Critical",
        "shop/Deployment/web",
        "Pod is crash looping. It restarts every minute",
    )
    assert [str(one.message) for one in message.evidence] == ["revision 2 (web:2), 5m ago"]
    assert [(link.label, link.target) for link in message.links] == [("Runbook", "https://runbooks.example.org/crash")]
    assert (message.incident.name, message.thread) == ("web-oom", "uid-incident")


async def test_what_could_not_be_repaired_gets_a_ticket_and_an_urgent_message(client):
    ended = stands(Phase.ESCALATED, reason="NothingHelps", next_step="look", tried=("SetMemory: NotHealed (undone)",))
    activities = ScriptedAlertActivities(follow=[stands(Phase.REPAIRING), ended])
    state = await run_incident(client, activities, firing(), until=("ticket", 1))
    assert state.outcome is Outcome.ESCALATED
    (opened, updated) = activities.requests("ticket")
    assert (opened.step, opened.thread, opened.system) == ("Open", "uid-incident", "prunella-system/jira")
    assert (updated.step, updated.ref.key) == ("Update", "OPS-1")
    urgent = next(one.message for one in activities.requests("notify") if "could not" in one.message.title)
    assert (urgent.severity, urgent.next_step, urgent.tried) == ("Critical", "look", ("SetMemory: NotHealed (undone)",))


async def test_without_a_workload_to_repair_people_are_told_and_a_ticket_of_the_alerts_own_is_opened_and_closed(client):
    activities = ScriptedAlertActivities(open=Opened(reason="NoWorkload: gone"))
    state = await run_incident(client, activities, firing(), until=("ticket", 1))
    assert (state.outcome, state.incident) == (Outcome.NOT_REPAIRED, None)
    assert [one.step for one in activities.requests("ticket")] == ["Open", "Close"]
    assert {one.thread for one in activities.requests("ticket")} == {firing().fingerprint}


@pytest.mark.parametrize(
    ("phase", "outcome"),
    [
        (Phase.RECOVERED, Outcome.RECOVERED),
        (Phase.DRY_RUN_DONE, Outcome.OBSERVED),
        (Phase.SUPPRESSED, Outcome.OBSERVED),
        (Phase.FAILED, Outcome.NOT_REPAIRED),
        (Phase.CANCELLED, Outcome.NOT_REPAIRED),
    ],
)
async def test_every_end_of_an_incident_has_an_outcome(client, phase, outcome):
    activities = ScriptedAlertActivities(follow=stands(phase))
    state = await run_incident(client, activities, firing())
    assert state.outcome is outcome
    assert bool(activities.requests("ticket")) is (outcome is Outcome.NOT_REPAIRED)


async def test_an_incident_that_was_deleted_is_left_to_people(client):
    activities = ScriptedAlertActivities(follow=[stands(Phase.DIAGNOSING), stands(Phase.PENDING, gone=True)])
    assert (await run_incident(client, activities, firing(), until=("ticket", 1))).outcome is Outcome.NOT_REPAIRED


# The others


async def test_what_is_not_critical_is_told_and_nothing_is_opened(client):
    activities = ScriptedAlertActivities(enrich=enriched(NOTIFY))
    state = await run_incident(client, activities, firing())
    assert (state.outcome, activities.requests("open")) == (Outcome.NOTIFIED, [])
    assert activities.titles == ["KubePodCrashLooping fires", "KubePodCrashLooping is over"]


async def test_what_is_recorded_only_is_told_to_nobody(client):
    activities = ScriptedAlertActivities(enrich=enriched(RECORD))
    state = await run_incident(client, activities, firing())
    assert (state.outcome, activities.titles, activities.order) == (
        Outcome.RECORDED,
        [],
        ["enrich", "record", "record"],
    )


async def test_without_channels_nobody_is_told_and_the_repair_goes_on(client):
    activities = ScriptedAlertActivities(enrich=enriched(channels=(), ticket=""))
    assert (await run_incident(client, activities, firing())).outcome is Outcome.REPAIRED
    assert activities.requests("notify") == []


# Repeats, ends, and their order


async def test_repeats_join_and_change_nothing(client):
    activities = ScriptedAlertActivities()
    state = await run_incident(client, activities, *[firing()] * 20)
    assert (state.round, state.book.repeats) == (1, 19)
    assert len(activities.requests("open")) == 1
    assert activities.titles.count("KubePodCrashLooping fires") == 1
    assert len(activities.requests("notify")) == 3


async def test_a_repeat_while_it_is_processed_changes_nothing(client):
    activities = ScriptedAlertActivities().during("record", 1, sends(client, *[firing()] * 5, resolved()))
    async with alert_worker(client, activities):
        state = await (await send(client, firing())).result()
    assert (state.round, state.book.repeats, len(activities.requests("open"))) == (1, 5, 1)


async def test_an_end_that_comes_before_its_firing_makes_that_firing_void(client):
    activities = ScriptedAlertActivities()
    async with alert_worker(client, activities):
        handle = await send(client, resolved())
        await send(client, firing())
        state = await handle.result()
    assert (state.round, activities.calls, state.book.ignored) == (0, [], 1)


async def test_the_end_of_an_earlier_firing_ends_nothing(client):
    activities = ScriptedAlertActivities()
    async with alert_worker(client, activities):
        handle = await send(client, firing(30))
        await send(client, resolved(0, 5))
        activities.during("record", 1, sends(client, resolved(30, 40)))
        state = await handle.result()
    assert (state.outcome, state.round, len(activities.requests("open"))) == (Outcome.REPAIRED, 1, 1)


async def test_an_alert_that_is_over_before_it_is_looked_at_does_nothing(client):
    activities = ScriptedAlertActivities()
    handle = await send(client, firing())
    await send(client, resolved())
    async with alert_worker(client, activities):
        state = await handle.result()
    assert (state.round, activities.calls) == (0, [])


async def test_an_alert_that_ends_while_it_is_enriched_opens_nothing_and_tells_nobody(client):
    activities = ScriptedAlertActivities().during("enrich", 1, sends(client, resolved()))
    async with alert_worker(client, activities):
        state = await (await send(client, firing())).result()
    assert (state.outcome, activities.titles, activities.requests("open")) == (Outcome.WITHDRAWN, [], [])


async def test_an_alert_that_ends_before_anything_was_done_takes_its_incident_back(client):
    looks = [stands(Phase.AWAITING_APPROVAL), stands(Phase.CANCELLED)]
    activities = ScriptedAlertActivities(follow=looks).during("follow", 1, sends(client, resolved()))
    async with alert_worker(client, activities):
        state = await (await send(client, firing())).result()
    assert (state.outcome, len(activities.requests("withdraw"))) == (Outcome.WITHDRAWN, 1)
    assert activities.titles == [
        "KubePodCrashLooping fires",
        "KubePodCrashLooping was over before anything was done",
        "KubePodCrashLooping is over",
    ]
    assert activities.requests("ticket") == []


async def test_an_alert_that_ends_while_it_is_repaired_confirms_the_repair(client):
    looks = [stands(Phase.REPAIRING), stands(Phase.VERIFYING), HEALING[-1]]
    refused = Withdrawn(done=False, reason="it has changed the workload already")
    activities = ScriptedAlertActivities(follow=looks, withdraw=refused)
    activities.during("follow", 2, sends(client, resolved()))
    async with alert_worker(client, activities):
        state = await (await send(client, firing())).result()
    assert state.outcome is Outcome.REPAIRED
    assert "its incident continues: it has changed the workload already" in state.notes
    assert [request.resolved for request in activities.requests("record")] == [False, True]


async def test_the_incident_of_somebody_else_is_never_taken_back(client):
    looks = [stands(Phase.DIAGNOSING), HEALING[-1]]
    activities = ScriptedAlertActivities(open=JOINED, follow=looks).during("follow", 1, sends(client, resolved()))
    async with alert_worker(client, activities):
        state = await (await send(client, firing())).result()
    assert (state.outcome, activities.requests("withdraw")) == (Outcome.REPAIRED, [])


async def test_an_incident_that_cannot_be_taken_back_goes_on(client):
    looks, refused = [stands(Phase.DIAGNOSING), HEALING[-1]], Withdrawn(done=False, reason="the pods are in trouble")
    activities = ScriptedAlertActivities(follow=looks, withdraw=refused).during("follow", 1, sends(client, resolved()))
    async with alert_worker(client, activities):
        state = await (await send(client, firing())).result()
    assert state.outcome is Outcome.REPAIRED
    assert "its incident continues: the pods are in trouble" in state.notes


# Flapping


async def test_a_firing_within_the_window_that_ends_within_it_tells_nobody(client):
    activities = ScriptedAlertActivities().during("record", 1, sends(client, resolved(0, 1)))
    activities.during("record", 2, sends(client, firing(2), resolved(2, 3)))
    async with alert_worker(client, activities):
        state = await (await send(client, firing())).result()
    assert (state.round, len(activities.requests("open"))) == (1, 1)


async def test_a_firing_within_the_window_that_goes_on_is_handled_when_the_window_is_over(client):
    activities = ScriptedAlertActivities().during("record", 1, sends(client, resolved(0, 1)))
    activities.during("record", 2, sends(client, firing(2)))
    state = await run_incident(client, activities, firing(), until=("record", 3), end=resolved(2, 90))
    rounds = activities.requests("record")
    assert (state.round, len(activities.requests("open"))) == (2, 2)
    assert rounds[2].state.begun_at - rounds[0].state.begun_at >= timedelta(minutes=5)
    assert [one for one in activities.titles if "fires" in one] == ["KubePodCrashLooping fires"]
    assert len({one.key for one in activities.requests("notify")}) == 6


async def test_a_newer_firing_replaces_the_one_that_was_handled(client):
    """Its end was never told of: when the window is over the new one is handled."""
    activities = ScriptedAlertActivities().during("record", 1, sends(client, firing(30)))
    state = await run_incident(client, activities, firing(), until=("record", 2), end=resolved(30, 90))
    assert (state.round, state.outcome) == (2, Outcome.REPAIRED)


async def test_the_end_of_a_firing_that_replaced_the_handled_one_is_told(workflow_env):
    """It flapped while it was silenced, and Alertmanager kept that to itself."""
    client, activities = workflow_env.client, ScriptedAlertActivities()
    activities.during("record", 1, sends(client, firing(2)))
    async with alert_worker(client, activities):
        handle = await send(client, firing())
        await workflow_env.environment.sleep(timedelta(minutes=3))
        await send(client, resolved(2, 3))
        state = await handle.result()
    assert (state.round, state.outcome, state.ended_at is None) == (1, Outcome.REPAIRED, False)
    assert [request.resolved for request in activities.requests("record")] == [False, True]
    assert activities.titles[-1] == "KubePodCrashLooping is over"


# What fails


async def test_a_chat_that_is_down_stops_nothing(client):
    activities = ScriptedAlertActivities(notify=raised(AuthenticationError("refused")))
    state = await run_incident(client, activities, firing())
    assert state.outcome is Outcome.REPAIRED
    assert any(note.startswith("prunella-system/chat was not notified: AuthenticationError") for note in state.notes)


async def test_a_chat_that_does_not_answer_delays_nothing(client):
    activities = ScriptedAlertActivities(notify=raised(Unavailable("no answer")))
    state = await run_incident(client, activities, firing())
    assert (state.outcome, state.stage) == (Outcome.REPAIRED, Stage.DONE)


async def test_a_ticket_system_that_is_down_stops_nothing(client):
    activities = ScriptedAlertActivities(follow=stands(Phase.ESCALATED), ticket=raised(AuthenticationError("refused")))
    state = await run_incident(client, activities, firing())
    assert state.outcome is Outcome.ESCALATED
    assert "no ticket: AuthenticationError: refused" in state.notes


async def test_an_api_server_that_is_away_is_waited_for(client):
    away = raised(Unavailable("no answer"))
    activities = ScriptedAlertActivities(
        enrich=[away] * 9 + [enriched()], open=[away] * 9 + [JOINED], follow=[away] * 10 + HEALING
    )
    state = await run_incident(client, activities, firing())
    assert state.outcome is Outcome.REPAIRED
    assert len(activities.requests("enrich")) == 10
    assert activities.titles[0] == "KubePodCrashLooping fires"


async def test_people_are_told_at_once_when_no_incident_can_be_opened_yet(client):
    activities = ScriptedAlertActivities(open=raised(Unavailable("no answer")))
    state = await run_incident(client, activities, firing(), until=("notify", 1))
    assert (state.outcome, activities.titles[0]) == (Outcome.WITHDRAWN, "KubePodCrashLooping fires")


async def test_an_alert_that_may_not_be_looked_at_is_recorded(client):
    activities = ScriptedAlertActivities(enrich=raised(Forbidden("not allowed")))
    state = await run_incident(client, activities, firing())
    assert (state.outcome, state.notes) == (Outcome.NOT_REPAIRED, ("Forbidden: not allowed",))


async def test_an_incident_that_may_not_be_opened_is_left_to_people(client):
    activities = ScriptedAlertActivities(open=raised(Forbidden("not allowed")))
    state = await run_incident(client, activities, firing(), until=("ticket", 1))
    assert (state.outcome, state.reason) == (Outcome.NOT_REPAIRED, "Forbidden: not allowed")


async def test_a_record_that_cannot_be_written_stops_nothing(client):
    activities = ScriptedAlertActivities(record=raised(Forbidden("not allowed")))
    assert (await run_incident(client, activities, firing())).notes[-1] == "not recorded: Forbidden: not allowed"


# Silences


async def test_it_is_silenced_while_it_is_repaired_and_at_no_other_time(client):
    activities = ScriptedAlertActivities()
    await run_incident(client, activities, firing())
    order = [name for name in activities.order if name in ("open", "silence", "unsilence", "record")]
    assert order == ["open", "silence", "unsilence", "record", "record"]
    (request,) = activities.requests("silence")
    assert request.comment == "Prunella repairs this now: incident shop/web-oom, workflow alert-0123456789abcdef."
    assert activities.requests("unsilence")[0].silence_id == "silence-1"


async def test_a_long_repair_extends_its_silence(client):
    activities = ScriptedAlertActivities(follow=[stands(Phase.VERIFYING)] * 60 + [HEALING[-1]])
    await run_incident(client, activities, firing())
    silences = activities.requests("silence")
    assert len(silences) > 1
    assert [silence.silence_id for silence in silences[:2]] == ["", "silence-1"]


async def test_it_is_no_longer_silenced_once_the_repair_waits_again(client):
    activities = ScriptedAlertActivities(
        follow=[stands(Phase.REPAIRING), stands(Phase.DIAGNOSING, acted=True), HEALING[-1]]
    )
    await run_incident(client, activities, firing())
    assert len(activities.requests("silence")) == len(activities.requests("unsilence")) == 1


@pytest.mark.parametrize("phase", [Phase.CONFIRMING, Phase.DIAGNOSING, Phase.AWAITING_APPROVAL])
async def test_what_is_not_being_repaired_is_not_silenced(client, phase):
    activities = ScriptedAlertActivities(follow=[stands(phase), stands(Phase.RECOVERED)])
    await run_incident(client, activities, firing())
    assert activities.requests("silence") == []


async def test_without_alertmanagers_api_nothing_is_silenced(client):
    activities = ScriptedAlertActivities(enrich=enriched(can_silence=False))
    assert (await run_incident(client, activities, firing())).outcome is Outcome.REPAIRED
    assert activities.requests("silence") == activities.requests("is_firing") == []


async def test_an_alertmanager_that_is_down_stops_nothing(client):
    activities = ScriptedAlertActivities(silence=raised(Unavailable("down")))
    state = await run_incident(client, activities, firing())
    assert state.outcome is Outcome.REPAIRED
    assert "not silenced: Unavailable: down" in state.notes


async def test_a_silence_that_cannot_be_taken_back_ends_by_itself(client):
    activities = ScriptedAlertActivities(unsilence=raised(AuthenticationError("refused")))
    state = await run_incident(client, activities, firing())
    assert any(note.startswith("its silence ends by itself") for note in state.notes)


async def test_an_end_that_alertmanager_kept_to_itself_is_asked_for(client):
    """While an alert is silenced Alertmanager does not report that it is over."""
    activities = ScriptedAlertActivities(
        is_firing=[raised(Unavailable("down")), StillFiring(firing=True), StillFiring(firing=False)]
    )
    async with alert_worker(client, activities):
        state = await (await send(client, firing())).result()
    assert (state.outcome, state.stage, activities.titles[-1]) == (
        Outcome.REPAIRED,
        Stage.DONE,
        "KubePodCrashLooping is over",
    )


async def test_an_end_during_a_repair_that_did_not_help_is_asked_for(client):
    """While the alert seems to fire, its incident does not take calm pods for a recovery."""
    looks = [stands(Phase.REPAIRING), *[stands(Phase.CONFIRMING, acted=True)] * 2, stands(Phase.RECOVERED)]
    refused = Withdrawn(done=False, reason="it has changed the workload already")
    activities = ScriptedAlertActivities(follow=looks, is_firing=StillFiring(firing=False), withdraw=refused)
    async with alert_worker(client, activities):
        state = await (await send(client, firing())).result()
    assert (state.outcome, len(activities.requests("withdraw"))) == (Outcome.RECOVERED, 1)


async def test_a_cancelled_handling_leaves_nothing_silenced(client):
    activities = ScriptedAlertActivities(follow=[stands(Phase.REPAIRING)])
    async with alert_worker(client, activities):
        handle = await send(client, firing())
        activities.during("follow", 2, partial(cancel_and_see, handle))
        assert await ending(handle) == "Cancelled"
    assert activities.requests("unsilence")[0].silence_id == "silence-1"


# Time


async def test_an_alert_of_which_nobody_speaks_for_days_is_forgotten(client):
    activities = ScriptedAlertActivities(enrich=enriched(can_silence=False))
    async with alert_worker(client, activities):
        state = await (await send(client, firing())).result()
    assert (state.stage, state.notes) == (Stage.DONE, ("no message about it for days",))


async def test_a_firing_after_it_was_forgotten_or_ended_starts_anew(client):
    activities = ScriptedAlertActivities()
    first = await run_incident(client, activities, firing())
    second = await run_incident(client, activities, firing(100), until=("record", 3), end=resolved(100, 110))
    assert (first.round, second.round, len(activities.requests("open"))) == (1, 1, 2)


async def test_an_incident_that_waits_for_days_is_followed_without_a_look_each_second(client):
    looks = [stands(Phase.AWAITING_APPROVAL)] * 150 + [HEALING[-1]]
    activities = ScriptedAlertActivities(follow=looks)
    state = await run_incident(client, activities, firing())
    assert state.outcome is Outcome.REPAIRED
    assert state.processed_at - state.begun_at > timedelta(hours=1)


async def test_how_it_stands_can_be_asked(client):
    activities, sent = ScriptedAlertActivities(follow=stands(Phase.AWAITING_APPROVAL)), []

    async def ask():
        sent.append(await handle.query("getState"))
        await handle.terminate()

    async with alert_worker(client, activities.during("follow", 2, ask)):
        handle = await send(client, firing())
        assert await ending(handle) == "Failed"
    (state,) = sent
    assert (state["stage"], state["name"], state["phase"]) == ("Following", firing().name, "AwaitingApproval")


# Many at once


async def test_alerts_that_came_together_are_handed_on_until_they_are(client):
    activities = ScriptedAlertActivities(distribute=[raised(Unavailable("no answer"))] * 12 + [None])
    batch = AlertBatch(alerts=tuple(firing(fingerprint=f"f{number}") for number in range(3)))
    async with alert_worker(client, activities):
        await client.execute_workflow(AlertIntake.run, batch, id="alerts-1", task_queue=QUEUE)
    assert activities.requests("distribute") == [batch] * 13


async def test_a_signal_of_the_operator_saves_the_wait_for_the_next_check(client):
    activities = ScriptedAlertActivities(follow=[stands(Phase.DIAGNOSING), stands(Phase.HEALED)])
    alert = client.get_workflow_handle_for(AlertHandling.run, alert_workflow_id(firing().fingerprint))
    activities.during("follow", 1, partial(alert.signal, AlertHandling.incident_changed))
    state = await run_incident(client, activities, firing())
    assert state.outcome is Outcome.REPAIRED
    assert state.processed_at - state.begun_at < CHECK_INTERVAL
