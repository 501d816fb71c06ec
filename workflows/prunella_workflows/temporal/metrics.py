"""Counts the beginning and the end of each workflow run; a replay counts nothing again."""

import asyncio
from dataclasses import dataclass
from typing import Any

from temporalio import workflow
from temporalio.worker import ExecuteWorkflowInput, WorkflowInboundInterceptor

COUNT = "prunella_count_workflow"
"""The function outside of the sandbox: takes run id, workflow type, task queue, and the end (None: the beginning)."""


@dataclass(frozen=True)
class WorkflowEnd:
    """Whether a workflow completed, and after how many seconds."""

    well: bool
    seconds: float


class WorkflowCounts(WorkflowInboundInterceptor):
    """Counts the beginning and the end of each run."""

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:  # noqa: A002 - the SDK's name
        """Run the workflow."""
        _count(None)
        try:
            result = await super().execute_workflow(input)
        except asyncio.CancelledError:
            if workflow.cancellation_reason() is not None:  # otherwise it is only evicted from this worker's cache
                _count(_end(well=False))
            raise
        except Exception:
            _count(_end(well=False))
            raise
        _count(_end(well=True))
        return result


def _end(*, well: bool) -> WorkflowEnd:
    return WorkflowEnd(well, (workflow.now() - workflow.info().workflow_start_time).total_seconds())


def _count(end: WorkflowEnd | None) -> None:
    if not workflow.unsafe.is_replaying():
        info = workflow.info()
        workflow.extern_functions()[COUNT](info.run_id, info.workflow_type, info.task_queue, end)
