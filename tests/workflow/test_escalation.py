"""Notifications of an escalated incident: to whom they go, when, and what stops them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from builders import INCIDENT, a_report, a_spec
from temporalio.client import WorkflowExecutionStatus
from temporalio.exceptions import ApplicationError
from workflow.escalation_env import ALICE, TWO_LEVELS, EscalationEnv
from workflow.healing_env import ScriptedActivities, idle, raised, seen, start_incident
from workflow.recording_notifications import TICKET, RecordingNotifications

from prunella_workflows.escalation.workflow import Escalation, escalation_id
from prunella_workflows.healing.workflow import SelfHealing
from prunella_workflows.model.errors import AuthenticationError, NotFound, Unavailable
from prunella_workflows.model.incident import Acknowledgement
from prunella_workflows.model.incident_status import Delivery, DeliveryResult, Phase
from prunella_workflows.model.outcome import Presence
from prunella_workflows.model.plan import Plan


@pytest.fixture
def case(workflow_env):
    def build(activities=None, **script):
        return EscalationEnv(workflow_env.client, RecordingNotifications(**script), activities or ScriptedActivities())

    return build


async def test_each_level_is_told_once_at_its_time_and_then_it_gives_up(case):
    one = case()
    note = await one.run_incident(
        {**TWO_LEVELS, "levels": [{"after": "1h", "channels": ["shop/boss"]}, *TWO_LEVELS["levels"]]}
    )
    assert one.notices.channels == ["shop/chat", "shop/pager", "shop/boss"]
    assert one.notices.times(one.started) == [0, 15, 60]
    assert (note.ended, note.level) == ("GaveUp", 2)
    assert note.ended_at - one.started >= timedelta(days=7)
    assert [delivery.result for delivery in note.delivered] == ["Delivered"] * 3
    assert one.activities.statuses[-1].escalation == note
    assert one.activities.events.count("Notified") == 3


async def test_the_message_says_what_a_person_needs(case):
    one = case()
    await one.run_incident(TWO_LEVELS)
    first, second = (request.message for _, request in one.notices.sent)
    assert first.title == "Deployment/web in shop needs a person: NoKnownGoodRevision"
    assert (first.thread, first.next_step) == (INCIDENT.uid, "Fix the release.")
    assert second.what == f"No one has acknowledged this for 15m. {first.what}"
    assert [request.key for _, request in one.notices.sent] == [f"{INCIDENT.uid}-level-{number}" for number in (0, 1)]


async def test_an_acknowledgement_stops_the_next_level(case):
    one = case()
    async with one.healing_worker():
        handle = await one.start_incident(TWO_LEVELS)
        await one.notices.count(1)
        await handle.signal(Escalation.acknowledge, ALICE)
        await handle.signal(Escalation.acknowledge, Acknowledgement(by="bob@example.org"))
        note = await handle.result()
    assert one.notices.channels == ["shop/chat"]
    assert (note.acknowledged_by, note.ended) == ("alice@example.org", "Acknowledged")
    assert note.acknowledged_at >= one.started
    assert "Acknowledged" in one.activities.events


async def test_who_took_over_before_the_hand_over_is_not_called(case):
    one = case()
    at = datetime(2026, 3, 4, 11, 59, tzinfo=UTC)
    note = await one.run_incident(TWO_LEVELS, acknowledged=Acknowledgement(by="alice@example.org", at=at))
    assert one.notices.channels == []
    assert (note.acknowledged_by, note.acknowledged_at) == ("alice@example.org", at)


async def test_a_channel_that_is_down_is_told_of_and_delays_no_level(case):
    one = case(chat=[raised(Unavailable("slack answered 503"))])
    note = await one.run_incident({"channels": ["shop/chat"], "levels": [{"after": "1m", "channels": ["shop/pager"]}]})
    assert one.notices.channels.count("shop/chat") == 5
    failed = next(delivery for delivery in note.delivered if delivery.channel == "shop/chat")
    assert (failed.result, failed.reason, failed.message) == ("Failed", "Unavailable", "slack answered 503")
    pager = next(when for when, request in one.notices.sent if request.channel == "shop/pager")
    assert pager - one.started < timedelta(seconds=75)
    assert "NotifyFailed" in one.activities.events


async def test_refused_credentials_are_not_tried_again(case):
    one = case(chat=[raised(AuthenticationError("slack answered 401"))])
    note = await one.run_incident({"channels": ["shop/chat", "shop/mail"]})
    assert sorted(one.notices.channels) == ["shop/chat", "shop/mail"]
    assert {delivery.channel: delivery.result for delivery in note.delivered} == {
        "shop/chat": "Failed",
        "shop/mail": "Delivered",
    }


async def test_a_message_that_has_to_wait_is_told_when_the_channel_takes_it(case):
    sent = Delivery(channel="shop/chat", kind="slack", result=DeliveryResult.SUMMARISED)
    wait = ApplicationError("full", type="Throttled", next_retry_delay=timedelta(seconds=50))
    one = case(chat=[wait, sent])
    note = await one.run_incident({"channels": ["shop/chat"]})
    assert [delivery.result for delivery in note.delivered] == ["Summarised"]
    first, second = (when for when, _ in one.notices.sent)
    assert first == second  # one activity, tried twice


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu"])
@pytest.mark.parametrize(("severity", "minutes"), [("Critical", [0, 15]), ("High", [120, 135])])
async def test_quiet_hours_hold_back_what_is_not_critical_and_time_stands_still_in_them(
    case, workflow_env, severity, minutes, zone
):
    one = case()
    now = (await workflow_env.environment.get_current_time()).astimezone(ZoneInfo(zone))
    span = {"start": f"{now - timedelta(hours=1):%H:%M}", "end": f"{now + timedelta(hours=2, minutes=1):%H:%M}"}
    quiet = {**span, "timeZone": zone}
    await one.run_incident({**TWO_LEVELS, "quietHours": [quiet]}, spec=a_spec(severity=severity))
    assert all(0 <= sent - wanted <= 1 for sent, wanted in zip(one.notices.times(one.started), minutes, strict=True))


async def test_one_ticket_is_opened_told_of_each_level_and_kept_when_nobody_comes(case):
    one = case()
    note = await one.run_incident({**TWO_LEVELS, "ticket": "shop/jira"})
    assert one.notices.steps == ["Open", "Update"]
    assert note.ticket == TICKET
    assert [request.thread for request in one.notices.tickets] == [INCIDENT.uid] * 2
    assert one.notices.tickets[1].ref == TICKET
    assert one.notices.sent[1][1].message.links[0].target == TICKET.url


async def test_a_ticket_that_could_not_be_opened_is_opened_with_the_next_level(case):
    one = case(Open=[raised(AuthenticationError("jira answered 401"))])
    note = await one.run_incident({**TWO_LEVELS, "ticket": "shop/jira"})
    assert one.notices.steps == ["Open", "Update"]
    assert (note.ticket, note.ticket_error) == (TICKET, "")
    errors = [status.escalation.ticket_error for status in one.activities.statuses]
    assert "AuthenticationError: jira answered 401" in errors
    assert "TicketFailed" in one.activities.events


async def test_when_the_fault_is_gone_nobody_is_called_and_the_ticket_is_closed(case):
    one = case(ScriptedActivities(confirm=[seen(), seen(Presence.RECOVERED), seen(Presence.RECOVERED)]))
    note = await one.run_incident({**TWO_LEVELS, "ticket": "shop/jira"})
    assert note.ended == "Recovered"
    assert one.notices.channels == ["shop/chat", "shop/chat"]
    assert "no longer needs a person" in one.notices.sent[1][1].message.title
    assert one.notices.steps == ["Open", "Close"]
    assert note.ended_at - one.started < timedelta(minutes=15)


async def test_one_calm_look_is_none(case):
    looks = [seen(), seen(Presence.RECOVERED), seen(Presence.WATCHING), seen(Presence.RECOVERED), seen()]
    one = case(ScriptedActivities(confirm=looks))
    note = await one.run_incident(TWO_LEVELS)
    assert note.ended == "GaveUp"
    assert one.notices.channels == ["shop/chat", "shop/pager"]
    assert len(one.activities.requests("confirm")) < 220


async def test_a_fault_that_was_never_seen_is_never_gone(case):
    one = case(ScriptedActivities(confirm=[seen(Presence.RECOVERED)]))
    note = await one.run_incident({**TWO_LEVELS, "ticket": "shop/jira"})
    assert note.ended == "GaveUp"
    assert len(one.activities.requests("confirm")) == 1
    assert one.notices.steps == ["Open", "Update"]


async def test_a_look_that_fails_says_nothing_and_a_workload_that_is_gone_ends_it(case):
    one = case(ScriptedActivities(confirm=[seen(), raised(Unavailable("away")), raised(NotFound("no web"))]))
    note = await one.run_incident(TWO_LEVELS)
    assert note.ended == "TargetGone"


async def test_the_ticket_of_who_took_over_is_closed_when_the_fault_is_gone(case):
    one = case(ScriptedActivities(confirm=[seen(), seen(Presence.RECOVERED)]))
    async with one.healing_worker():
        handle = await one.start_incident({**TWO_LEVELS, "ticket": "shop/jira"})
        await one.notices.count(1)
        await handle.signal(Escalation.acknowledge, ALICE)
        note = await handle.result()
    assert (note.ended, note.acknowledged_by) == ("Recovered", "alice@example.org")
    assert one.notices.steps == ["Open", "Update", "Close"]
    assert one.notices.channels == ["shop/chat"]  # who has taken over needs no all-clear


async def test_a_person_ends_it(case):
    one = case()
    async with one.healing_worker():
        handle = await one.start_incident({**TWO_LEVELS, "ticket": "shop/jira"})
        await one.notices.count(1)
        await idle(handle)  # the test server loses a cancellation that meets an answer
        await handle.cancel()
        note = await handle.result()
    assert note.ended == "Cancelled"
    assert one.notices.steps[-1] == "Close"
    assert one.notices.channels[1:] == ["shop/chat"]


async def test_a_deleted_incident_is_told_and_its_ticket_closed(case):
    one = case(ScriptedActivities(report=[None, None, raised(NotFound("deleted"))]))
    note = await one.run_incident({**TWO_LEVELS, "ticket": "shop/jira"})
    assert note.ended == "Deleted"
    assert one.notices.steps[-1] == "Close"


async def test_without_channels_and_ticket_it_only_waits_to_be_acknowledged(case):
    one = case()
    async with one.healing_worker():
        handle = await one.start_incident({})
        await handle.signal(Escalation.acknowledge, ALICE)
        note = await handle.result()
    assert (one.notices.sent, one.notices.tickets, one.activities.requests("confirm")) == ([], [], [])
    assert note.acknowledged_by == "alice@example.org"


async def test_a_report_that_fails_costs_nobody_a_call(case):
    one = case(ScriptedActivities(report=[raised(AuthenticationError("no"))]))
    await one.run_incident(TWO_LEVELS)
    assert one.notices.channels == ["shop/chat", "shop/pager"]


async def test_a_healing_hands_over_to_an_escalation_and_does_not_wait_for_it(case):
    nothing = Plan(reason="NoPlaybook", message="Nothing known is wrong.", next_step="Look.")
    one = case(ScriptedActivities(diagnose=a_report().model_copy(update={"plan": nothing})))
    client = one.client
    async with one.healing_worker(SelfHealing):
        status = await (await start_incident(client)).result()
        escalation = client.get_workflow_handle_for(Escalation.run, escalation_id(INCIDENT.uid))
        await one.notices.count(1)
        assert (await escalation.describe()).status is WorkflowExecutionStatus.RUNNING
        await escalation.signal(Escalation.acknowledge, ALICE)
        note = await escalation.result()
    assert (status.phase, status.escalation.delivered) == (Phase.ESCALATED, ())
    assert [delivery.channel for delivery in note.delivered] == ["shop/pager"]
