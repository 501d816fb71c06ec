"""Work that a cancellation must not interrupt. Used inside workflows only."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

R = TypeVar("R")


async def shielded(work: Coroutine[Any, Any, R], cancelled: Callable[[], None] = lambda: None) -> R:
    """Complete the work. Call `cancelled` for each cancellation that comes meanwhile; none is raised."""
    task = asyncio.create_task(work)
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            cancelled()
    return task.result()
