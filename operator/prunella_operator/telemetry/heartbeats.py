"""Heartbeats of asynchronous activities, and their errors as Temporal's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from temporalio import activity

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
        beats.cancel()
        with suppress(asyncio.CancelledError):
            await beats


async def _beat() -> None:
    while True:
        await asyncio.sleep(_INTERVAL_SECONDS)
        activity.heartbeat()
