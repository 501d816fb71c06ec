"""Who is told that a repair waits for an answer, when, and what stops it."""

from datetime import timedelta

import pytest
from builders import INCIDENT, a_report, a_spec
from workflow.harness import Hands, ending, idle, raised, seen
from workflow.notices import Notices

from prunella_workflows.healing.workflow import SelfHealing
from prunella_workflows.model.errors import AuthenticationError, NotFound, Unavailable
from prunella_workflows.model.incident import Approval
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.model.outcome import Presence
from prunella_workflows.model.policy import EscalationRule

YES = Approval(decision="Approved", by="alice@example.org")
CHAT = {"channels": ["shop/chat", "shop/mail"]}


def _hands(rule=CHAT, **script):
    report = a_report(approval_needed=True, escalation=EscalationRule.model_validate(rule))
    return Hands(**{"diagnose": report, **script})


async def test_every_channel_is_told_once_what_waits_and_how_to_answer(the_stage):
    hands, notices = _hands(), Notices()
    async with the_stage.performing(hands, notices=notices):
        handle = await the_stage.begin()
        await hands.noted("Notified")
        assert hands.statuses[-1].phase is Phase.AWAITING_APPROVAL
        await handle.signal(SelfHealing.approve, YES)
        status = await handle.result()
    assert (status.phase, sorted(notices.channels)) == (Phase.HEALED, ["shop/chat", "shop/mail"])
    message = notices.told[0][1].message
    assert message.title == (
        "Deployment/web in shop waits for approval: Set the memory limit of container app from 64Mi to 96Mi"
    )
    assert message.proposed == "-64Mi\n+96Mi"
    assert f"prunella incidents approve {INCIDENT.name} -n shop" in message.next_step
    assert hands.events.count("Notified") == 2


async def test_nobody_is_told_of_what_was_answered_before(the_stage):
    notices = Notices()
    async with the_stage.performing(_hands(), notices=notices):
        status = await (await the_stage.begin(spec=a_spec(approval=YES))).result()
    assert (status.phase, notices.told) == (Phase.HEALED, [])


async def test_a_second_look_at_the_same_question_tells_nobody_again(the_stage):
    hands, notices = _hands(confirm=[seen(), seen(), seen(Presence.RECOVERED)]), Notices()
    async with the_stage.performing(hands, notices=notices):
        handle = await the_stage.begin()
        await hands.noted("Notified")
        await the_stage.environment.sleep(timedelta(days=3))
        await handle.signal(SelfHealing.approve, YES)
        status = await handle.result()
    assert (status.phase, len(notices.told)) == (Phase.HEALED, 2)


async def _night(stage):
    """Quiet hours that began an hour ago and end in two."""
    now = await stage.environment.get_current_time()
    start, end = (f"{now + timedelta(hours=hours):%H:%M}" for hours in (-1, 2))
    return {**CHAT, "quietHours": [{"start": start, "end": end}]}


@pytest.mark.parametrize(("severity", "told"), [("High", 0), ("Critical", 2)])
async def test_quiet_hours_are_waited_out_unless_it_is_critical(the_stage, severity, told):
    hands, notices = _hands(await _night(the_stage)), Notices()
    async with the_stage.performing(hands, notices=notices):
        handle = await the_stage.begin(spec=a_spec(severity=severity))
        await hands.told("ApprovalNeeded")
        await the_stage.environment.sleep(timedelta(hours=1))
        assert len(notices.told) == told
        await the_stage.environment.sleep(timedelta(hours=2))
        await hands.noted("Notified")
        await handle.signal(SelfHealing.approve, YES)
        assert (await handle.result()).phase is Phase.HEALED
    assert len(notices.told) == 2


async def test_an_answer_does_not_wait_for_a_channel_that_is_down(the_stage):
    hands = _hands({"channels": ["shop/chat"]})
    notices = Notices(chat=[raised(Unavailable("no route"))])
    async with the_stage.performing(hands, notices=notices):
        handle = await the_stage.begin()
        await notices.count(1)
        await handle.signal(SelfHealing.approve, YES)
        assert (await handle.result()).phase is Phase.HEALED
    assert "NotifyFailed" not in hands.events


async def test_a_channel_that_refuses_is_told_of_while_the_question_stands(the_stage):
    hands = _hands()
    notices = Notices(chat=[raised(AuthenticationError("401"))])
    async with the_stage.performing(hands, notices=notices):
        handle = await the_stage.begin()
        await hands.noted("NotifyFailed")
        assert hands.statuses[-1].phase is Phase.AWAITING_APPROVAL
        await idle(handle)
        await handle.cancel()
        assert await ending(handle) == "Cancelled"
    assert hands.statuses[-1].phase is Phase.CANCELLED


async def test_cancelled_while_people_are_told(the_stage):
    hands = _hands({"channels": ["shop/chat"]})
    notices = Notices(chat=[raised(Unavailable("no route"))])
    async with the_stage.performing(hands, notices=notices):
        handle = await the_stage.begin()
        await notices.count(1)
        await handle.cancel()
        assert await ending(handle) == "Cancelled"
    assert (hands.statuses[-1].phase, hands.writes) == (Phase.CANCELLED, [])


@pytest.mark.parametrize("waits_for", ["ApprovalNeeded", "Suspended"])
async def test_an_incident_that_is_deleted_unseen_is_not_waited_for(the_stage, waits_for):
    """Whoever watches the incidents was away when it went."""
    gone = raised(NotFound("incidents.prunella.dev"))
    hands = _hands({}, report=lambda _: gone if waits_for in {one.reason for one in hands.statuses[:-1]} else None)
    suspended = waits_for == "Suspended"
    status = await the_stage.play(hands, spec=a_spec(suspend=suspended, approval=YES if suspended else None))
    assert (status.phase, status.reason, hands.writes) == (Phase.CANCELLED, "IncidentDeleted", [])
    assert [one.reason for one in hands.statuses].count(waits_for) == 2
    assert status.times.closed_at - status.times.started_at < timedelta(minutes=3)
