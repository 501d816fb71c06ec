"""Counts the beginning and the end of each workflow run; a replay counts nothing again."""

import asyncio
from typing import Any, Literal

from temporalio import workflow
from temporalio.worker import ExecuteWorkflowInput, WorkflowInboundInterceptor

COUNT = "prunella_count_workflow"
"""The function outside of the sandbox: takes run id, workflow type, task queue, event, and seconds since the start."""

RunEvent = Literal["started", "completed", "failed"]


class WorkflowCounts(WorkflowInboundInterceptor):
    """Counts the beginning and the end of each run; a cancelled one has failed."""

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:  # noqa: A002 - the SDK's name
        """Run the workflow."""
        _count("started")
        try:
            result = await super().execute_workflow(input)
        except (Exception, asyncio.CancelledError) as error:
            # Without a reason it is not cancelled, but only evicted from this worker's cache.
            if not isinstance(error, asyncio.CancelledError) or workflow.cancellation_reason() is not None:
                _count("failed")
            raise
        _count("completed")
        return result


def _count(event: RunEvent) -> None:
    if not workflow.unsafe.is_replaying():
        info = workflow.info()
        seconds = (workflow.now() - info.workflow_start_time).total_seconds()
        workflow.extern_functions()[COUNT](info.run_id, info.workflow_type, info.task_queue, event, seconds)
