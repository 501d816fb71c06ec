"""Items in parallel: bounded, and a failure ends only its own item."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import CancelledError
from workflow.item_workflows import PERMANENT, STUCK, TEMPORARY, Counted, Crowd, Item, Items, Prefixed
from workflow.saga_env import QUEUE, Books, saga_worker

from prunella_workflows.patterns import ItemsRequest, ParallelProcessing, ProcessedItems


@asynccontextmanager
async def parent(client, run, argument, books=None):
    """The handle of a parent of items, while a worker serves."""
    workflows = (Items, Item, Prefixed, Crowd, Counted, ParallelProcessing)
    async with saga_worker(client, books or Books(), *workflows):
        yield await client.start_workflow(run, argument, id="report", task_queue=QUEUE)


async def test_every_item_is_processed_by_a_workflow_of_its_own(workflow_env):
    async with parent(workflow_env.client, Items.run, [1, 2, 3, 4, 5]) as handle:
        processed = await handle.result()
    assert processed.results == (2, 4, 6, 8, 10)
    assert [item.workflow_id for item in processed.items] == [f"report/process-item-{n}" for n in range(5)]


async def test_a_failure_stops_nothing_and_is_named(workflow_env):
    async with parent(workflow_env.client, Items.run, [1, PERMANENT, 3, TEMPORARY]) as handle:
        processed = await handle.result()
    (failed,) = processed.failed
    assert (failed.number, failed.error) == (1, "Permanent: no such number")
    assert processed.results == (2, 6, 2 * TEMPORARY)


async def test_no_more_than_the_limit_at_a_time(workflow_env):
    async with parent(workflow_env.client, Crowd.run, 0) as handle:
        took = await handle.result()
    assert timedelta(seconds=3) <= took < timedelta(seconds=12)


async def test_a_cancellation_is_passed_on_and_awaited(workflow_env):
    books = Books()
    async with parent(workflow_env.client, Items.run, [STUCK, STUCK, 3, STUCK, STUCK], books) as handle:
        while len(books.attempts) < 4:  # noqa: ASYNC110 - the workflows decide
            await asyncio.sleep(0.05)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as ended:
            await handle.result()
        assert isinstance(ended.value.cause, CancelledError)
        assert [name for name, _ in books.effects].count("release_stock") == 3  # the fifth item never began


async def test_the_prefix_can_be_the_bare_name(workflow_env):
    async with parent(workflow_env.client, Prefixed.run, [1]) as handle:
        assert (await handle.result()).items[0].workflow_id == "process-item-0"


async def test_an_item_that_runs_already_is_named(workflow_env):
    books = Books()
    async with parent(workflow_env.client, Prefixed.run, [STUCK], books) as handle:
        with workflow_env.environment.auto_time_skipping_disabled():  # the item would time out
            await books.attempted("reserve_stock")
            second = await workflow_env.client.execute_workflow(Prefixed.run, [1, 2], id="second", task_queue=QUEUE)
        await handle.terminate()
    assert second.results == (4,)
    assert second.failed[0].error.startswith("WorkflowAlreadyStartedError")


async def test_as_a_workflow_that_is_started_by_name(workflow_env):
    request = ItemsRequest(items=(1, 2), workflow_type="Item", concurrency=1)
    async with parent(workflow_env.client, ParallelProcessing.run, request) as handle:
        assert (await handle.result()).results == (2, 4)
        by_name = await workflow_env.client.execute_workflow(
            "parallel_processing", request, id="by-name", task_queue=QUEUE, result_type=ProcessedItems
        )
    assert by_name.results == (2, 4)
