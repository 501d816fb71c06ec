"""Items in parallel: a child workflow for each, a limited number at a time. A failure ends only its own item."""

import asyncio
from collections.abc import Sequence
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import FailureError

from prunella_workflows.model.base import Value
from prunella_workflows.temporal.failures import describe_error

CONCURRENCY = 10


class ItemResult(Value):
    """The result of one item, or its error. `number` is its position, counted from 0."""

    number: int
    workflow_id: str
    result: Any = None
    error: str = ""


class ProcessedItems(Value):
    """The results of all items, in the order of the items."""

    items: tuple[ItemResult, ...]

    @property
    def failed(self) -> tuple[ItemResult, ...]:
        """The items that failed."""
        return tuple(item for item in self.items if item.error)

    @property
    def results(self) -> tuple[Any, ...]:
        """The results of the items that did not fail."""
        return tuple(item.result for item in self.items if not item.error)


async def process_items(
    items: Sequence[Any],
    workflow_type: Any,
    *,
    concurrency: int = CONCURRENCY,
    prefix: str | None = None,
    task_queue: str | None = None,
    retry: RetryPolicy | None = None,
) -> ProcessedItems:
    """Run a workflow, given by its run method or its type's name, for each item. Used inside workflows only.

    The ids are `PARENT/process-item-0` and so on, where PARENT is the id of this workflow; `prefix` replaces what is
    before the number. A cancellation is passed on to the running items, and raised when they have ended.
    """
    prefix = f"{workflow.info().workflow_id}/process-item" if prefix is None else prefix
    free = asyncio.Semaphore(concurrency)

    async def process(number: int, item: Any) -> ItemResult:
        child_id = f"{prefix}-{number}"
        async with free:
            try:
                result = await workflow.execute_child_workflow(
                    workflow_type,
                    item,
                    id=child_id,
                    task_queue=task_queue,
                    retry_policy=retry,
                    parent_close_policy=workflow.ParentClosePolicy.REQUEST_CANCEL,
                )
            except FailureError as error:
                return ItemResult(number=number, workflow_id=child_id, error=describe_error(error))
        return ItemResult(number=number, workflow_id=child_id, result=result)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(process(number, item)) for number, item in enumerate(items)]
    return ProcessedItems(items=tuple(task.result() for task in tasks))


class ItemsRequest(Value):
    """The items, the type of the workflow that processes one, and its task queue (None: that of this workflow)."""

    items: tuple[Any, ...]
    workflow_type: str
    concurrency: int = CONCURRENCY
    task_queue: str | None = None


@workflow.defn(name="parallel_processing")
class ParallelProcessing:
    """`process_items` as a workflow that can be started by name."""

    @workflow.run
    async def run(self, request: ItemsRequest) -> ProcessedItems:
        """Process the items."""
        return await process_items(
            request.items, request.workflow_type, concurrency=request.concurrency, task_queue=request.task_queue
        )
