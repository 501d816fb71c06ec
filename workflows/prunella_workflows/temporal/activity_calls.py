"""Calls of activities: with the contract's options, repeated until known, and shielded from cancellation.

Used inside workflows only: time and sleep are the workflow's own.
"""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from prunella_workflows.contracts.healing import OPTIONS, HealingActivities, Repaired, RepairOrder, watch_queue
from prunella_workflows.model.errors import Unavailable
from prunella_workflows.temporal.failures import UNANSWERED, error_type, is_permanent
from prunella_workflows.temporal.shield import shielded

A = TypeVar("A")
R = TypeVar("R")
OrderMethod = Callable[[HealingActivities, RepairOrder], Repaired]

RETRY_INTERVAL = timedelta(seconds=15)
OUTCOME_UNKNOWN_LIMIT = timedelta(hours=1)
UNREACHABLE_LIMIT = timedelta(hours=1)
BACKOFF_LIMIT = timedelta(minutes=5)


class ActivityCaller:
    """Calls the activities of one workflow, and remembers a cancellation that came during a shielded part."""

    def __init__(self) -> None:
        self._cancelled = False

    async def call(self, method: Callable[[HealingActivities, A], R], argument: A) -> R:
        """Run an activity with its options.

        Raises:
            ActivityError: it failed for good, or all attempts of its retry class failed.
        """
        options = OPTIONS[method.__name__]
        total, heartbeat = options.schedule_to_close, options.heartbeat
        return await workflow.execute_activity_method(
            method,
            argument,
            task_queue=watch_queue(workflow.info().task_queue) if heartbeat else None,
            heartbeat_timeout=timedelta(seconds=heartbeat) if heartbeat else None,
            start_to_close_timeout=timedelta(seconds=options.start_to_close),
            schedule_to_close_timeout=timedelta(seconds=total) if total else None,
            retry_policy=options.retry,
            priority=options.priority,
        )

    async def retry_until_reachable(self, method: Callable[[HealingActivities, A], R], argument: A) -> R:
        """Repeat a read while the API server is unreachable: an outage says nothing about the workload.

        Raises:
            ActivityError: it failed for another reason, or the server was unreachable for an hour.
        """
        started = workflow.now()
        while True:
            try:
                return await self.call(method, argument)
            except ActivityError as error:
                if workflow.now() - started > UNREACHABLE_LIMIT or not is_unreachable(error):
                    raise
                await workflow.sleep(RETRY_INTERVAL)

    async def retry_until_known(self, method: OrderMethod, order: RepairOrder) -> Repaired:
        """Repeat an order whose outcome is unknown: the action id makes the repetition harmless.

        Raises:
            ActivityError: nothing was written (permanent), or the outcome is still unknown after an hour.
        """
        started = workflow.now()
        while True:
            try:
                return await self.call(method, order)
            except ActivityError as error:
                if is_permanent(error) or workflow.now() - started > OUTCOME_UNKNOWN_LIMIT:
                    raise
                await workflow.sleep(RETRY_INTERVAL)

    async def shielded(self, work: Coroutine[Any, Any, R]) -> R:
        """Complete work that must not be interrupted; a cancellation is deferred to `stop_if_cancelled`."""
        return await shielded(work, self._defer_cancellation)

    def _defer_cancellation(self) -> None:
        self._cancelled = True

    def stop_if_cancelled(self) -> None:
        """Raise a cancellation that was deferred by `shielded`."""
        if self._cancelled:
            raise asyncio.CancelledError


def is_unreachable(error: ActivityError) -> bool:
    """Report whether a service that the activity needs, or its worker, was away."""
    return not is_cancelled_exception(error) and error_type(error) in (Unavailable.__name__, UNANSWERED)


def backoff(elapsed: timedelta, minimum: timedelta, maximum: timedelta = BACKOFF_LIMIT, share: int = 30) -> timedelta:
    """The pause before the next check: one part in `share` of the elapsed time, within bounds.

    So histories stay small, and hundreds of waiting workflows cause little load.
    """
    return min(max(minimum, elapsed / share), maximum)
