"""Workflows that process items, and their parents."""

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy

from prunella_workflows.model.errors import Permanent, Retryable
from prunella_workflows.patterns import ProcessedItems, Saga, process_items, translate_errors

TEMPORARY, PERMANENT, STUCK = -1, -2, -3
"""Items that fail twice, that fail for good, and that never end."""


@workflow.defn(name="Item")
class Item:
    """Doubles a number. It is a saga, so that an item that is cancelled is compensated."""

    @workflow.run
    async def run(self, number: int) -> int:
        async with Saga() as saga:
            await saga.step("reserve_stock", f"{number}", compensation="release_stock")
            if number == STUCK:
                await workflow.wait_condition(lambda: False)
        with translate_errors():
            if number == PERMANENT:
                raise Permanent("no such number")
            if number == TEMPORARY and workflow.info().attempt < 3:
                raise Retryable("not now")
        return 2 * number


@workflow.defn(name="Items")
class Items:
    """Processes items, three at a time, each with a retry policy."""

    @workflow.run
    async def run(self, numbers: list[int]) -> ProcessedItems:
        return await process_items(numbers, Item.run, concurrency=3, retry=RetryPolicy(maximum_attempts=3))


@workflow.defn(name="Prefixed")
class Prefixed:
    """Gives the items ids that do not depend on the parent."""

    @workflow.run
    async def run(self, items: list[Any]) -> ProcessedItems:
        return await process_items(items, "Item", prefix="process-item")


@workflow.defn(name="Counted")
class Counted:
    """An item that takes a second."""

    @workflow.run
    async def run(self, number: int) -> str:
        await asyncio.sleep(1)
        return workflow.now().isoformat()


@workflow.defn(name="Crowd")
class Crowd:
    """Measures how long 12 items of a second take, four at a time."""

    @workflow.run
    async def run(self, _: int) -> timedelta:
        began = workflow.now()
        await process_items(range(12), Counted.run, concurrency=4)
        return workflow.now() - began
