"""Prunella's own worker serves approvals to any application that shares its Temporal."""

from concurrent.futures import ThreadPoolExecutor

from workflow.recording_notifications import RecordingNotifications

from prunella_operator.config.settings import Settings
from prunella_operator.runtime.worker import build_worker
from prunella_workflows.patterns import ApprovalRequest, ApprovalResult, ApprovalStatus

REQUEST = ApprovalRequest(title="Order 17", what="12,000 EUR", channels=("shop/chat",))


async def test_an_approval_can_be_started_by_name(workflow_env):
    notices, settings = RecordingNotifications(), Settings.load({})
    with ThreadPoolExecutor(settings.max_activities) as pool:
        async with build_worker(workflow_env.client, settings, [notices.notify], pool):
            handle = await workflow_env.client.start_workflow(
                "Approval", REQUEST, id="approval-17", task_queue=settings.task_queue, result_type=ApprovalResult
            )
            assert (await handle.result()).status is ApprovalStatus.TIMED_OUT
    assert len(notices.sent) == 7
