"""The loop of everything that sweeps over Incidents: an error ends one sweep, and the next one begins in time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NoReturn

import structlog

from prunella_workflows.model.errors import Permanent, Retryable


async def sweep_regularly(
    sweep: Callable[[], Awaitable[object]], seconds: float, name: str, *, later: str, failed: str
) -> NoReturn:
    """Sweep, pause, and sweep again until cancelled. Errors are logged under the name: as `later` if they may pass."""
    _log = structlog.get_logger(name)
    while True:
        try:
            await sweep()
        except Retryable as error:
            _log.info(later, reason=str(error))
        except Permanent as error:
            _log.error(failed, error=str(error))
        await asyncio.sleep(seconds)
