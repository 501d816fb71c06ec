"""The timer for faults that no further event announces."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import NoReturn

from prunella_operator import clock

_CHECK_INTERVAL_SECONDS = 1.0


async def check_regularly(report_due: Callable[[datetime], None]) -> NoReturn:
    """Call the function every second until cancelled."""
    while True:
        report_due(clock.now())
        await asyncio.sleep(_CHECK_INTERVAL_SECONDS)
