"""Notifications that a repair waits for an answer: to whom they go, when, and what stops them."""

from datetime import timedelta

import pytest
from builders import INCIDENT, a_report, a_spec
from workflow.healing_env import ScriptedActivities, ending, idle, raised, seen
from workflow.recording_notifications import RecordingNotifications

from prunella_workflows.healing.workflow import SelfHealing
from prunella_workflows.model.errors import AuthenticationError, NotFound, Unavailable
from prunella_workflows.model.incident import Approval
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.model.outcome import Presence
from prunella_workflows.model.policy_escalation import EscalationRule
from prunella_workflows.model.proposal import proposal_id

YES = Approval(decision="Approved", by="alice@example.org")
CHAT = {"channels": ["shop/chat", "shop/mail"]}


def _hands(rule=CHAT, **script):
    report = a_report(approval_needed=True, escalation=EscalationRule.model_validate(rule))
    return ScriptedActivities(**{"diagnose": report, **script})


async def test_every_channel_is_told_once_what_waits_and_how_to_answer(workflow_env):
    activities, notices = _hands(), RecordingNotifications()
    async with workflow_env.healing_worker(activities, notices=notices):
        handle = await workflow_env.start_incident()
        await activities.wait_for_event("Notified")
        waiting = activities.statuses[-1]
        assert waiting.phase is Phase.AWAITING_APPROVAL
        await handle.signal(SelfHealing.approve, YES)
        status = await handle.result()
    assert (status.phase, sorted(notices.channels)) == (Phase.HEALED, ["shop/chat", "shop/mail"])
    message = notices.sent[0][1].message
    assert message.title == (
        "Deployment/web in shop waits for approval: Set the memory limit of container app from 64Mi to 96Mi"
    )
    assert message.proposed == "-64Mi\n+96Mi"
    assert message.proposal == proposal_id(waiting), "a link in the message fits the Incident"
    assert f"prunella incidents approve {INCIDENT.name} -n shop" in message.next_step
    assert activities.events.count("Notified") == 2


async def test_nobody_is_told_of_what_was_answered_before(workflow_env):
    notices = RecordingNotifications()
    async with workflow_env.healing_worker(_hands(), notices=notices):
        status = await (await workflow_env.start_incident(spec=a_spec(approval=YES))).result()
    assert (status.phase, notices.sent) == (Phase.HEALED, [])


async def test_a_second_look_at_the_same_question_tells_nobody_again(workflow_env):
    activities, notices = _hands(confirm=[seen(), seen(), seen(Presence.RECOVERED)]), RecordingNotifications()
    async with workflow_env.healing_worker(activities, notices=notices):
        handle = await workflow_env.start_incident()
        await activities.wait_for_event("Notified")
        await workflow_env.environment.sleep(timedelta(days=3))
        await handle.signal(SelfHealing.approve, YES)
        status = await handle.result()
    assert (status.phase, len(notices.sent)) == (Phase.HEALED, 2)


async def _night(env):
    """Quiet hours that began an hour ago and end in two."""
    now = await env.environment.get_current_time()
    start, end = (f"{now + timedelta(hours=hours):%H:%M}" for hours in (-1, 2))
    return {**CHAT, "quietHours": [{"start": start, "end": end}]}


@pytest.mark.parametrize(("severity", "sent"), [("High", 0), ("Critical", 2)])
async def test_quiet_hours_are_waited_out_unless_it_is_critical(workflow_env, severity, sent):
    activities, notices = _hands(await _night(workflow_env)), RecordingNotifications()
    async with workflow_env.healing_worker(activities, notices=notices):
        handle = await workflow_env.start_incident(spec=a_spec(severity=severity))
        await activities.wait_for_reason("ApprovalNeeded")
        await workflow_env.environment.sleep(timedelta(hours=1))
        assert len(notices.sent) == sent
        await workflow_env.environment.sleep(timedelta(hours=2))
        await activities.wait_for_event("Notified")
        await handle.signal(SelfHealing.approve, YES)
        assert (await handle.result()).phase is Phase.HEALED
    assert len(notices.sent) == 2


async def test_an_answer_does_not_wait_for_a_channel_that_is_down(workflow_env):
    activities = _hands({"channels": ["shop/chat"]})
    notices = RecordingNotifications(chat=[raised(Unavailable("no route"))])
    async with workflow_env.healing_worker(activities, notices=notices):
        handle = await workflow_env.start_incident()
        await notices.count(1)
        await handle.signal(SelfHealing.approve, YES)
        assert (await handle.result()).phase is Phase.HEALED
    assert "NotifyFailed" not in activities.events


async def test_a_channel_that_refuses_is_told_of_while_the_question_stands(workflow_env):
    activities = _hands()
    notices = RecordingNotifications(chat=[raised(AuthenticationError("401"))])
    async with workflow_env.healing_worker(activities, notices=notices):
        handle = await workflow_env.start_incident()
        await activities.wait_for_event("NotifyFailed")
        assert activities.statuses[-1].phase is Phase.AWAITING_APPROVAL
        await idle(handle)
        await handle.cancel()
        assert await ending(handle) == "Cancelled"
    assert activities.statuses[-1].phase is Phase.CANCELLED


async def test_cancelled_while_people_are_told(workflow_env):
    activities = _hands({"channels": ["shop/chat"]})
    notices = RecordingNotifications(chat=[raised(Unavailable("no route"))])
    async with workflow_env.healing_worker(activities, notices=notices):
        handle = await workflow_env.start_incident()
        await notices.count(1)
        await handle.cancel()
        assert await ending(handle) == "Cancelled"
    assert (activities.statuses[-1].phase, activities.writes) == (Phase.CANCELLED, [])


@pytest.mark.parametrize("waits_for", ["ApprovalNeeded", "Suspended"])
async def test_an_incident_that_is_deleted_unseen_is_not_waited_for(workflow_env, waits_for):
    """The watch of incidents was down when it was deleted."""
    gone = raised(NotFound("incidents.prunella.dev"))
    activities = _hands(
        {}, report=lambda _: gone if waits_for in {one.reason for one in activities.statuses[:-1]} else None
    )
    suspended = waits_for == "Suspended"
    status = await workflow_env.run_incident(
        activities, spec=a_spec(suspend=suspended, approval=YES if suspended else None)
    )
    assert (status.phase, status.reason, activities.writes) == (Phase.CANCELLED, "IncidentDeleted", [])
    assert [one.reason for one in activities.statuses].count(waits_for) == 2
    assert status.times.closed_at - status.times.started_at < timedelta(minutes=3)
