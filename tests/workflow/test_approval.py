"""Approvals: who is notified and reminded, whose answer counts, and what happens without one."""

from datetime import timedelta

import pytest
from temporalio import workflow
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.worker import Worker
from workflow.recording_notifications import RecordingNotifications
from workflow.saga_env import failure

from prunella_workflows.patterns import (
    ApprovalAnswer,
    ApprovalRequest,
    ApprovalResult,
    ApprovalState,
    ApprovalStatus,
    ApprovalWorkflow,
)
from prunella_workflows.temporal.sandbox import workflow_runner

REQUEST = ApprovalRequest(
    title="Order 17",
    what="12,000 EUR to a new customer.",
    approvers=("alice", "group:finance"),
    channels=("shop/chat", "shop/mail"),
)
ALICE, BOB = ApprovalAnswer(by="alice", reason="a known customer"), ApprovalAnswer(by="bob")
QUEUE = "prunella-test"


@workflow.defn(name="Caller")
class Caller:
    """A workflow that waits for an approval before it acts."""

    @workflow.run
    async def run(self, request: ApprovalRequest) -> str:
        child = f"{workflow.info().workflow_id}-approval"
        answer = await workflow.execute_child_workflow(ApprovalWorkflow.run, request, id=child)
        return f"acted for {answer.by}" if answer.approved else f"not done: {answer.status}"


def approval_worker(client, notices):
    return Worker(
        client,
        task_queue=QUEUE,
        workflows=[ApprovalWorkflow, Caller],
        activities=[notices.notify],
        workflow_runner=workflow_runner(),
    )


async def ask(client, request=REQUEST, **options):
    return await client.start_workflow(ApprovalWorkflow.run, request, id="approval-17", task_queue=QUEUE, **options)


@pytest.mark.parametrize(
    ("signal", "status"),
    [(ApprovalWorkflow.approve, ApprovalStatus.APPROVED), (ApprovalWorkflow.reject, ApprovalStatus.REJECTED)],
)
async def test_the_answer_of_an_approver_ends_it(workflow_env, signal, status):
    notices = RecordingNotifications()
    async with approval_worker(workflow_env.client, notices):
        handle = await ask(workflow_env.client)
        await notices.count(2)
        await handle.signal(signal, ALICE)
        result = await handle.result()
        state = await handle.query(ApprovalWorkflow.get_state)
    assert (result.status, result.by, result.reason) == (status, "alice", "a known customer")
    assert result.approved is (status is ApprovalStatus.APPROVED)
    assert state.result == result
    assert sorted(notices.channels) == ["shop/chat", "shop/mail"]


async def test_the_message_tells_what_is_asked_and_how_to_answer(workflow_env):
    notices = RecordingNotifications()
    async with approval_worker(workflow_env.client, notices):
        handle = await ask(workflow_env.client)
        await notices.count(1)
        await handle.signal("approve", ALICE)
        await handle.result()
        expires_at = (await handle.query(ApprovalWorkflow.get_state)).expires_at
    message = notices.sent[0][1].message
    assert (message.title, message.what) == ("Order 17 waits for approval", REQUEST.what)
    assert message.next_step == (
        f"By {expires_at:%Y-%m-%d %H:%M} UTC, alice, group:finance: temporal workflow signal --workflow-id approval-17 "
        """--name approve --input '{"by": "NAME", "reason": "WHY"}' (or --name reject)"""
    )


async def test_without_an_answer_it_reminds_daily_and_times_out_after_seven_days(workflow_env):
    notices = RecordingNotifications()
    async with approval_worker(workflow_env.client, notices):
        handle = await ask(workflow_env.client, REQUEST.model_copy(update={"channels": ("shop/chat",)}))
        result = await handle.result()
        state = await handle.query(ApprovalWorkflow.get_state)
    assert result.status is ApprovalStatus.TIMED_OUT
    assert timedelta() <= result.at - state.expires_at < timedelta(minutes=1)
    assert state.expires_at - state.requested_at == timedelta(days=7)
    assert notices.times(state.requested_at) == [day * 24 * 60 for day in range(7)]
    assert state.notified == 7
    assert notices.sent[6][1].message.title == "Reminder 6: Order 17 waits for approval"
    assert len({request.key for _, request in notices.sent}) == 7


async def test_answers_of_others_are_refused_and_shown(workflow_env):
    async with approval_worker(workflow_env.client, RecordingNotifications()):
        handle = await ask(workflow_env.client)
        with workflow_env.environment.auto_time_skipping_disabled():
            await handle.signal(ApprovalWorkflow.approve, BOB)
            await handle.signal(ApprovalWorkflow.reject, ApprovalAnswer(by=""))
            waiting = await handle.query("getState", result_type=ApprovalState)
            await handle.signal(ApprovalWorkflow.reject, ApprovalAnswer(by="carol", groups=("finance",)))
            result = await handle.result()
    assert waiting.result.status is ApprovalStatus.WAITING
    assert [(one.decision, one.by) for one in waiting.refused] == [("Approved", "bob"), ("Rejected", "")]
    assert (result.status, result.by) == (ApprovalStatus.REJECTED, "carol")


async def test_the_first_valid_answer_counts(workflow_env):
    handle = await ask(workflow_env.client)
    for signal, answer in (("approve", BOB), ("reject", ALICE), ("approve", ALICE)):
        await handle.signal(signal, answer)
    async with approval_worker(workflow_env.client, RecordingNotifications()):
        result = await handle.result()
    assert (result.status, result.by) == (ApprovalStatus.REJECTED, "alice")


async def test_a_channel_that_is_down_delays_no_answer_and_is_shown(workflow_env):
    refused = ApplicationError("refused", type="AuthenticationError", non_retryable=True)
    notices = RecordingNotifications(chat=[refused])
    async with approval_worker(workflow_env.client, notices):
        handle = await ask(workflow_env.client)
        with workflow_env.environment.auto_time_skipping_disabled():
            while not (state := await handle.query(ApprovalWorkflow.get_state)).notified:
                pass
            await handle.signal(ApprovalWorkflow.approve, ALICE)
            assert (await handle.result()).approved
    assert [(one.channel, one.result, one.reason) for one in state.deliveries] == [
        ("shop/chat", "Failed", "AuthenticationError"),
        ("shop/mail", "Delivered", ""),
    ]


async def test_without_approvers_anyone_may_answer_and_without_channels_no_one_is_notified(workflow_env):
    notices = RecordingNotifications()
    request = ApprovalRequest(title="Order 17", what="12,000 EUR", timeout="2d")
    handle = await ask(workflow_env.client, request)
    await handle.signal("approve", BOB)
    async with approval_worker(workflow_env.client, notices):
        assert (await handle.result()).by == "bob"
        slow = await workflow_env.client.start_workflow(ApprovalWorkflow.run, request, id="slow", task_queue=QUEUE)
        ended = await slow.result()
        state = await slow.query(ApprovalWorkflow.get_state)
    assert ended.status is ApprovalStatus.TIMED_OUT
    assert timedelta(days=2) <= ended.at - state.requested_at < timedelta(days=2, minutes=1)
    assert notices.sent == []


async def test_reminders_can_be_switched_off(workflow_env):
    notices = RecordingNotifications()
    request = REQUEST.model_copy(update={"channels": ("shop/chat",), "reminder_interval": 0})
    async with approval_worker(workflow_env.client, notices):
        assert (await (await ask(workflow_env.client, request)).result()).status is ApprovalStatus.TIMED_OUT
    assert len(notices.sent) == 1


async def test_cancelled(workflow_env):
    notices = RecordingNotifications()
    async with approval_worker(workflow_env.client, notices):
        handle = await ask(workflow_env.client)
        with workflow_env.environment.auto_time_skipping_disabled():
            await notices.count(2)
            await handle.cancel()
            assert isinstance(await failure(handle), CancelledError)


@pytest.mark.parametrize(("answer", "outcome"), [("approve", "acted for alice"), ("", "not done: TimedOut")])
async def test_as_a_child_of_the_workflow_that_acts(workflow_env, answer, outcome):
    notices = RecordingNotifications()
    async with approval_worker(workflow_env.client, notices):
        handle = await workflow_env.client.start_workflow(Caller.run, REQUEST, id="order-17", task_queue=QUEUE)
        await notices.count(2)
        if answer:
            await workflow_env.client.get_workflow_handle("order-17-approval").signal(answer, ALICE)
        assert await handle.result() == outcome


async def test_it_is_started_and_answered_by_name_with_plain_json(workflow_env):
    async with approval_worker(workflow_env.client, RecordingNotifications()):
        handle = await workflow_env.client.start_workflow(
            "Approval",
            {"title": "Order 17", "what": "12,000 EUR", "approvers": ["alice"], "timeout": "2d"},
            id="by-name",
            task_queue=QUEUE,
            result_type=ApprovalResult,
        )
        with workflow_env.environment.auto_time_skipping_disabled():
            await handle.signal("approve", {"by": "alice"})
            assert (await handle.result()).approved
