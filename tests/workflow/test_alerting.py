"""AlertHandling from its first firing to its end, on the time-skipping server."""

from datetime import timedelta
from functools import partial

import pytest
from workflow.alert_stage import (
    HEALING,
    JOINED,
    QUEUE,
    AlertScript,
    alert_worker,
    enriched,
    firing,
    resolved,
    send,
    sends,
    stands,
)
from workflow.harness import cancel_and_see, ending, raised

from prunella_workflows.alerts.batch_workflow import AlertIntake
from prunella_workflows.contracts.alerts import AlertBatch, Opened, Outcome, Stage, StillFiring, Withdrawn
from prunella_workflows.model.alert_policy import AlertHandlingMode
from prunella_workflows.model.errors import AuthenticationError, Forbidden, Unavailable
from prunella_workflows.model.incident_status import Phase

NOTIFY, RECORD = AlertHandlingMode.NOTIFY, AlertHandlingMode.RECORD


@pytest.fixture
def client(the_stage):
    return the_stage.client


async def play(client, hands, *alerts, until=("record", 1), end=None):
    """Send alerts, end the alert while an activity is called for the so-manieth time; the final state."""
    hands.during(*until, sends(client, end or resolved(0, 60)))
    async with alert_worker(client, hands):
        for alert in alerts:
            handle = await send(client, alert)
        return await handle.result()


# Critical


async def test_a_critical_alert_is_told_repaired_recorded_and_its_end_is_told(client):
    hands = AlertScript()
    state = await play(client, hands, firing())
    assert (state.stage, state.outcome, state.round) == (Stage.DONE, Outcome.REPAIRED, 1)
    assert hands.told == [
        "KubePodCrashLooping fires",
        "KubePodCrashLooping repaired",
        "KubePodCrashLooping is over",
    ]
    assert hands.order[:2] == ["enrich", "open"]
    assert [request.resolved for request in hands.named("record")] == [False, True]
    assert hands.named("ticket") == []


async def test_the_urgent_message_says_what_a_person_must_know(client):
    hands = AlertScript()
    await play(client, hands, firing())
    message = hands.named("notify")[0].message
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
    hands = AlertScript(follow=[stands(Phase.REPAIRING), ended])
    state = await play(client, hands, firing(), until=("ticket", 1))
    assert state.outcome is Outcome.ESCALATED
    (opened, updated) = hands.named("ticket")
    assert (opened.step, opened.thread, opened.system) == ("Open", "uid-incident", "prunella-system/jira")
    assert (updated.step, updated.ref.key) == ("Update", "OPS-1")
    urgent = next(one.message for one in hands.named("notify") if "could not" in one.message.title)
    assert (urgent.severity, urgent.next_step, urgent.tried) == ("Critical", "look", ("SetMemory: NotHealed (undone)",))


async def test_without_a_workload_to_repair_people_are_told_and_a_ticket_of_the_alerts_own_is_opened_and_closed(client):
    hands = AlertScript(open=Opened(reason="NoWorkload: gone"))
    state = await play(client, hands, firing(), until=("ticket", 1))
    assert (state.outcome, state.incident) == (Outcome.NOT_REPAIRED, None)
    assert [one.step for one in hands.named("ticket")] == ["Open", "Close"]
    assert {one.thread for one in hands.named("ticket")} == {firing().fingerprint}


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
    hands = AlertScript(follow=stands(phase))
    state = await play(client, hands, firing())
    assert state.outcome is outcome
    assert bool(hands.named("ticket")) is (outcome is Outcome.NOT_REPAIRED)


async def test_an_incident_that_was_deleted_is_left_to_people(client):
    hands = AlertScript(follow=[stands(Phase.DIAGNOSING), stands(Phase.PENDING, gone=True)])
    assert (await play(client, hands, firing(), until=("ticket", 1))).outcome is Outcome.NOT_REPAIRED


# The others


async def test_what_is_not_critical_is_told_and_nothing_is_opened(client):
    hands = AlertScript(enrich=enriched(NOTIFY))
    state = await play(client, hands, firing())
    assert (state.outcome, hands.named("open")) == (Outcome.NOTIFIED, [])
    assert hands.told == ["KubePodCrashLooping fires", "KubePodCrashLooping is over"]


async def test_what_is_recorded_only_is_told_to_nobody(client):
    hands = AlertScript(enrich=enriched(RECORD))
    state = await play(client, hands, firing())
    assert (state.outcome, hands.told, hands.order) == (Outcome.RECORDED, [], ["enrich", "record", "record"])


async def test_without_channels_nobody_is_told_and_the_repair_goes_on(client):
    hands = AlertScript(enrich=enriched(channels=(), ticket=""))
    assert (await play(client, hands, firing())).outcome is Outcome.REPAIRED
    assert hands.named("notify") == []


# Repeats, ends, and their order


async def test_repeats_join_and_change_nothing(client):
    hands = AlertScript()
    state = await play(client, hands, *[firing()] * 20)
    assert (state.round, state.book.repeats) == (1, 19)
    assert len(hands.named("open")) == 1
    assert hands.told.count("KubePodCrashLooping fires") == 1
    assert len(hands.named("notify")) == 3


async def test_a_repeat_while_it_is_processed_changes_nothing(client):
    hands = AlertScript().during("record", 1, sends(client, *[firing()] * 5, resolved()))
    async with alert_worker(client, hands):
        state = await (await send(client, firing())).result()
    assert (state.round, state.book.repeats, len(hands.named("open"))) == (1, 5, 1)


async def test_an_end_that_comes_before_its_firing_makes_that_firing_void(client):
    hands = AlertScript()
    async with alert_worker(client, hands):
        handle = await send(client, resolved())
        await send(client, firing())
        state = await handle.result()
    assert (state.round, hands.calls, state.book.ignored) == (0, [], 1)


async def test_the_end_of_an_earlier_firing_ends_nothing(client):
    hands = AlertScript()
    async with alert_worker(client, hands):
        handle = await send(client, firing(30))
        await send(client, resolved(0, 5))
        hands.during("record", 1, sends(client, resolved(30, 40)))
        state = await handle.result()
    assert (state.outcome, state.round, len(hands.named("open"))) == (Outcome.REPAIRED, 1, 1)


async def test_an_alert_that_is_over_before_it_is_looked_at_does_nothing(client):
    hands = AlertScript()
    handle = await send(client, firing())
    await send(client, resolved())
    async with alert_worker(client, hands):
        state = await handle.result()
    assert (state.round, hands.calls) == (0, [])


async def test_an_alert_that_ends_while_it_is_enriched_opens_nothing_and_tells_nobody(client):
    hands = AlertScript().during("enrich", 1, sends(client, resolved()))
    async with alert_worker(client, hands):
        state = await (await send(client, firing())).result()
    assert (state.outcome, hands.told, hands.named("open")) == (Outcome.WITHDRAWN, [], [])


async def test_an_alert_that_ends_before_anything_was_done_takes_its_incident_back(client):
    looks = [stands(Phase.AWAITING_APPROVAL), stands(Phase.CANCELLED)]
    hands = AlertScript(follow=looks).during("follow", 1, sends(client, resolved()))
    async with alert_worker(client, hands):
        state = await (await send(client, firing())).result()
    assert (state.outcome, len(hands.named("withdraw"))) == (Outcome.WITHDRAWN, 1)
    assert hands.told == [
        "KubePodCrashLooping fires",
        "KubePodCrashLooping was over before anything was done",
        "KubePodCrashLooping is over",
    ]
    assert hands.named("ticket") == []


async def test_an_alert_that_ends_while_it_is_repaired_confirms_the_repair(client):
    looks = [stands(Phase.REPAIRING), stands(Phase.VERIFYING), HEALING[-1]]
    hands = AlertScript(follow=looks).during("follow", 2, sends(client, resolved()))
    async with alert_worker(client, hands):
        state = await (await send(client, firing())).result()
    assert (state.outcome, hands.named("withdraw")) == (Outcome.REPAIRED, [])
    assert "the alert was resolved; its incident goes on to its end" in state.notes
    assert [request.resolved for request in hands.named("record")] == [False, True]


async def test_the_incident_of_somebody_else_is_never_taken_back(client):
    looks = [stands(Phase.DIAGNOSING), HEALING[-1]]
    hands = AlertScript(open=JOINED, follow=looks).during("follow", 1, sends(client, resolved()))
    async with alert_worker(client, hands):
        state = await (await send(client, firing())).result()
    assert (state.outcome, hands.named("withdraw")) == (Outcome.REPAIRED, [])


async def test_an_incident_that_cannot_be_taken_back_goes_on(client):
    looks, refused = [stands(Phase.DIAGNOSING), HEALING[-1]], Withdrawn(done=False, reason="the pods are in trouble")
    hands = AlertScript(follow=looks, withdraw=refused).during("follow", 1, sends(client, resolved()))
    async with alert_worker(client, hands):
        state = await (await send(client, firing())).result()
    assert state.outcome is Outcome.REPAIRED
    assert "its incident goes on: the pods are in trouble" in state.notes


# Flapping


async def test_a_firing_within_the_window_that_ends_within_it_tells_nobody(client):
    hands = AlertScript().during("record", 1, sends(client, resolved(0, 1)))
    hands.during("record", 2, sends(client, firing(2), resolved(2, 3)))
    async with alert_worker(client, hands):
        state = await (await send(client, firing())).result()
    assert (state.round, len(hands.named("open"))) == (1, 1)


async def test_a_firing_within_the_window_that_goes_on_is_handled_when_the_window_is_over(client):
    hands = AlertScript().during("record", 1, sends(client, resolved(0, 1)))
    hands.during("record", 2, sends(client, firing(2)))
    state = await play(client, hands, firing(), until=("record", 3), end=resolved(2, 90))
    rounds = hands.named("record")
    assert (state.round, len(hands.named("open"))) == (2, 2)
    assert rounds[2].state.begun_at - rounds[0].state.begun_at >= timedelta(minutes=5)
    assert [one for one in hands.told if "fires" in one] == ["KubePodCrashLooping fires"]
    assert len({one.key for one in hands.named("notify")}) == 6


async def test_a_newer_firing_replaces_the_one_that_was_handled(client):
    """Its end was never told of: when the window is over the new one is handled."""
    hands = AlertScript().during("record", 1, sends(client, firing(30)))
    state = await play(client, hands, firing(), until=("record", 2), end=resolved(30, 90))
    assert (state.round, state.outcome) == (2, Outcome.REPAIRED)


async def test_the_end_of_a_firing_that_replaced_the_handled_one_is_told(the_stage):
    """It flapped while it was silenced, and Alertmanager kept that to itself."""
    client, hands = the_stage.client, AlertScript()
    hands.during("record", 1, sends(client, firing(2)))
    async with alert_worker(client, hands):
        handle = await send(client, firing())
        await the_stage.environment.sleep(timedelta(minutes=3))
        await send(client, resolved(2, 3))
        state = await handle.result()
    assert (state.round, state.outcome, state.ended_at is None) == (1, Outcome.REPAIRED, False)
    assert [request.resolved for request in hands.named("record")] == [False, True]
    assert hands.told[-1] == "KubePodCrashLooping is over"


# What fails


async def test_a_chat_that_is_down_stops_nothing(client):
    hands = AlertScript(notify=raised(AuthenticationError("refused")))
    state = await play(client, hands, firing())
    assert state.outcome is Outcome.REPAIRED
    assert any(note.startswith("prunella-system/chat was not told: AuthenticationError") for note in state.notes)


async def test_a_chat_that_does_not_answer_delays_nothing(client):
    hands = AlertScript(notify=raised(Unavailable("no answer")))
    state = await play(client, hands, firing())
    assert (state.outcome, state.stage) == (Outcome.REPAIRED, Stage.DONE)


async def test_a_ticket_system_that_is_down_stops_nothing(client):
    hands = AlertScript(follow=stands(Phase.ESCALATED), ticket=raised(AuthenticationError("refused")))
    state = await play(client, hands, firing())
    assert state.outcome is Outcome.ESCALATED
    assert "no ticket: AuthenticationError: refused" in state.notes


async def test_an_api_server_that_is_away_is_waited_for(client):
    away = raised(Unavailable("no answer"))
    hands = AlertScript(enrich=[away] * 9 + [enriched()], open=[away] * 9 + [JOINED], follow=[away] * 10 + HEALING)
    state = await play(client, hands, firing())
    assert state.outcome is Outcome.REPAIRED
    assert len(hands.named("enrich")) == 10
    assert hands.told[0] == "KubePodCrashLooping fires"


async def test_people_are_told_at_once_when_no_incident_can_be_opened_yet(client):
    hands = AlertScript(open=raised(Unavailable("no answer")))
    state = await play(client, hands, firing(), until=("notify", 1))
    assert (state.outcome, hands.told[0]) == (Outcome.WITHDRAWN, "KubePodCrashLooping fires")


async def test_an_alert_that_may_not_be_looked_at_is_recorded(client):
    hands = AlertScript(enrich=raised(Forbidden("not allowed")))
    state = await play(client, hands, firing())
    assert (state.outcome, state.notes) == (Outcome.NOT_REPAIRED, ("Forbidden: not allowed",))


async def test_an_incident_that_may_not_be_opened_is_left_to_people(client):
    hands = AlertScript(open=raised(Forbidden("not allowed")))
    state = await play(client, hands, firing(), until=("ticket", 1))
    assert (state.outcome, state.reason) == (Outcome.NOT_REPAIRED, "Forbidden: not allowed")


async def test_a_record_that_cannot_be_written_stops_nothing(client):
    hands = AlertScript(record=raised(Forbidden("not allowed")))
    assert (await play(client, hands, firing())).notes[-1] == "not recorded: Forbidden: not allowed"


# Silences


async def test_it_is_silenced_while_it_is_repaired_and_at_no_other_time(client):
    hands = AlertScript()
    await play(client, hands, firing())
    order = [name for name in hands.order if name in ("open", "silence", "unsilence", "record")]
    assert order == ["open", "silence", "unsilence", "record", "record"]
    (request,) = hands.named("silence")
    assert request.comment == "Prunella repairs this now: incident shop/web-oom, workflow alert-0123456789abcdef."
    assert hands.named("unsilence")[0].silence_id == "silence-1"


async def test_a_long_repair_extends_its_silence(client):
    hands = AlertScript(follow=[stands(Phase.VERIFYING)] * 60 + [HEALING[-1]])
    await play(client, hands, firing())
    silences = hands.named("silence")
    assert len(silences) > 1
    assert [silence.silence_id for silence in silences[:2]] == ["", "silence-1"]


async def test_it_is_no_longer_silenced_once_the_repair_waits_again(client):
    hands = AlertScript(follow=[stands(Phase.REPAIRING), stands(Phase.DIAGNOSING, acted=True), HEALING[-1]])
    await play(client, hands, firing())
    assert len(hands.named("silence")) == len(hands.named("unsilence")) == 1


@pytest.mark.parametrize("phase", [Phase.CONFIRMING, Phase.DIAGNOSING, Phase.AWAITING_APPROVAL])
async def test_what_is_not_being_repaired_is_not_silenced(client, phase):
    hands = AlertScript(follow=[stands(phase), stands(Phase.RECOVERED)])
    await play(client, hands, firing())
    assert hands.named("silence") == []


async def test_without_alertmanagers_api_nothing_is_silenced(client):
    hands = AlertScript(enrich=enriched(can_silence=False))
    assert (await play(client, hands, firing())).outcome is Outcome.REPAIRED
    assert hands.named("silence") == hands.named("is_firing") == []


async def test_an_alertmanager_that_is_down_stops_nothing(client):
    hands = AlertScript(silence=raised(Unavailable("down")))
    state = await play(client, hands, firing())
    assert state.outcome is Outcome.REPAIRED
    assert "not silenced: Unavailable: down" in state.notes


async def test_a_silence_that_cannot_be_taken_back_ends_by_itself(client):
    hands = AlertScript(unsilence=raised(AuthenticationError("refused")))
    state = await play(client, hands, firing())
    assert any(note.startswith("its silence ends by itself") for note in state.notes)


async def test_an_end_that_alertmanager_kept_to_itself_is_asked_for(client):
    """While an alert is silenced Alertmanager tells nobody that it is over."""
    hands = AlertScript(is_firing=[raised(Unavailable("down")), StillFiring(firing=True), StillFiring(firing=False)])
    async with alert_worker(client, hands):
        state = await (await send(client, firing())).result()
    assert (state.outcome, state.stage, hands.told[-1]) == (
        Outcome.REPAIRED,
        Stage.DONE,
        "KubePodCrashLooping is over",
    )


async def test_a_cancelled_handling_leaves_nothing_silenced(client):
    hands = AlertScript(follow=[stands(Phase.REPAIRING)])
    async with alert_worker(client, hands):
        handle = await send(client, firing())
        hands.during("follow", 2, partial(cancel_and_see, handle))
        assert await ending(handle) == "Cancelled"
    assert hands.named("unsilence")[0].silence_id == "silence-1"


# Time


async def test_an_alert_of_which_nobody_speaks_for_days_is_forgotten(client):
    hands = AlertScript(enrich=enriched(can_silence=False))
    async with alert_worker(client, hands):
        state = await (await send(client, firing())).result()
    assert (state.stage, state.notes) == (Stage.DONE, ("nobody has spoken of it for days",))


async def test_a_firing_after_it_was_forgotten_or_ended_starts_anew(client):
    hands = AlertScript()
    first = await play(client, hands, firing())
    second = await play(client, hands, firing(100), until=("record", 3), end=resolved(100, 110))
    assert (first.round, second.round, len(hands.named("open"))) == (1, 1, 2)


async def test_an_incident_that_waits_for_days_is_followed_without_a_look_each_second(client):
    looks = [stands(Phase.AWAITING_APPROVAL)] * 150 + [HEALING[-1]]
    hands = AlertScript(follow=looks)
    state = await play(client, hands, firing())
    assert state.outcome is Outcome.REPAIRED
    assert state.processed_at - state.begun_at > timedelta(hours=1)


async def test_how_it_stands_can_be_asked(client):
    hands, told = AlertScript(follow=stands(Phase.AWAITING_APPROVAL)), []

    async def ask():
        told.append(await handle.query("getState"))
        await handle.terminate()

    async with alert_worker(client, hands.during("follow", 2, ask)):
        handle = await send(client, firing())
        assert await ending(handle) == "Failed"
    (state,) = told
    assert (state["stage"], state["name"], state["phase"]) == ("Following", firing().name, "AwaitingApproval")


# Many at once


async def test_alerts_that_came_together_are_handed_on_until_they_are(client):
    hands = AlertScript(distribute=[raised(Unavailable("no answer"))] * 12 + [None])
    batch = AlertBatch(alerts=tuple(firing(fingerprint=f"f{number}") for number in range(3)))
    async with alert_worker(client, hands):
        await client.execute_workflow(AlertIntake.run, batch, id="alerts-1", task_queue=QUEUE)
    assert hands.named("distribute") == [batch] * 13
