"""How the workflow calls its hands: by the contract's options, repeated until certain, and never torn apart.

Used inside the workflow only: time and sleep are the workflow's own.
"""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from prunella_workflows.contracts.healing import OPTIONS, HealingActivities, Repaired, RepairOrder
from prunella_workflows.model.errors import Unavailable
from prunella_workflows.temporal.failures import UNANSWERED, error_type, is_permanent

A = TypeVar("A")
R = TypeVar("R")
OrderMethod = Callable[[HealingActivities, RepairOrder], Repaired]

ASK_AGAIN = timedelta(seconds=15)
UNCERTAIN_AT_MOST = timedelta(hours=1)
AWAY_AT_MOST = timedelta(hours=1)
PACE_AT_MOST = timedelta(minutes=5)


class ActivityCaller:
    """The calls of one workflow, and whether it was cancelled while it did what must not be torn apart."""

    def __init__(self) -> None:
        self._cancelled = False

    async def call(self, method: Callable[[HealingActivities, A], R], argument: A) -> R:
        """Run an activity under its options.

        Raises:
            ActivityError: it failed for good, or every attempt its retry class allows was made.
        """
        options = OPTIONS[method.__name__]
        total = options.schedule_to_close
        return await workflow.execute_activity_method(
            method,
            argument,
            start_to_close_timeout=timedelta(seconds=options.start_to_close),
            schedule_to_close_timeout=timedelta(seconds=total) if total else None,
            retry_policy=options.retry,
            priority=options.priority,
        )

    async def until_answered(self, method: Callable[[HealingActivities, A], R], argument: A) -> R:
        """Repeat a look for as long as nobody answers: an API server that is away says nothing about the workload.

        Raises:
            ActivityError: it failed for another reason, or nobody answered for an hour.
        """
        started = workflow.now()
        while True:
            try:
                return await self.call(method, argument)
            except ActivityError as error:
                over = workflow.now() - started > AWAY_AT_MOST
                if over or not _nobody_answered(error):
                    raise
                await workflow.sleep(ASK_AGAIN)

    async def until_certain(self, method: OrderMethod, order: RepairOrder) -> Repaired:
        """Repeat an order whose outcome is unknown: the action id makes the repetition harmless.

        Raises:
            ActivityError: nothing was written (permanent), or it is still uncertain after an hour.
        """
        started = workflow.now()
        while True:
            try:
                return await self.call(method, order)
            except ActivityError as error:
                if is_permanent(error) or workflow.now() - started > UNCERTAIN_AT_MOST:
                    raise
                await workflow.sleep(ASK_AGAIN)

    async def unbroken(self, work: Coroutine[Any, Any, R]) -> R:
        """Carry through what must not be torn apart; a cancellation meanwhile is kept for `stop_if_cancelled`."""
        task = asyncio.create_task(work)
        while not task.done():
            try:
                await asyncio.shield(task)
            except asyncio.CancelledError:
                self._cancelled = True
        return task.result()

    def stop_if_cancelled(self) -> None:
        """Honour a cancellation that came while something was carried through."""
        if self._cancelled:
            raise asyncio.CancelledError


def _nobody_answered(error: ActivityError) -> bool:
    return not is_cancelled_exception(error) and error_type(error) in (Unavailable.__name__, UNANSWERED)


def pace(spent: timedelta, least: timedelta, most: timedelta = PACE_AT_MOST, share: int = 30) -> timedelta:
    """The pause before the next look: the longer it has taken, the longer (one part in `share` of it), so that
    histories stay small and hundreds that wait ask for little.
    """
    return min(max(least, spent / share), most)
