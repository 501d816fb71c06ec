"""Heartbeats of asynchronous activities, and their errors as Temporal's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio import activity

from prunella_operator.tasks import end
from prunella_workflows.temporal.failures import translate_errors

_INTERVAL_SECONDS = 5.0


@asynccontextmanager
async def step() -> AsyncIterator[None]:
    """Run the body of an activity: with a heartbeat every few seconds, and errors translated."""
    beats = asyncio.create_task(_beat())
    try:
        with translate_errors():
            yield
    finally:
        await end(beats)


async def _beat() -> None:
    while True:
        await asyncio.sleep(_INTERVAL_SECONDS)
        activity.heartbeat()
