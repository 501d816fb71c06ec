"""How AlertHandling calls its hands and waits. Used inside the workflow only."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar, overload

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from prunella_workflows.contracts.alerts import HEARTBEAT, HERE, RETRY, START_TO_CLOSE, AlertActivities
from prunella_workflows.temporal import activity_calls
from prunella_workflows.temporal.failures import error_message, error_type

A = TypeVar("A")
R = TypeVar("R")


@overload
async def call(method: Callable[[AlertActivities, A], Awaitable[R]], argument: A) -> R: ...


@overload
async def call(method: Callable[[AlertActivities, A], R], argument: A) -> R: ...


async def call(method: Callable[[AlertActivities, A], Any], argument: A) -> Any:
    """Run an activity under the alert contract's options.

    Raises:
        ActivityError: it failed for good, or all its attempts did.
    """
    return await workflow.execute_activity_method(
        method,
        argument,
        start_to_close_timeout=START_TO_CLOSE,
        heartbeat_timeout=HEARTBEAT,
        retry_policy=RETRY,
    )


async def call_here(method: Callable[[AlertActivities, A], R], argument: A) -> R:
    """Run an activity that takes no time in the worker that runs the workflow.

    Raises:
        ActivityError: it failed for good, or all its attempts did.
    """
    return await workflow.execute_local_activity_method(
        method, argument, schedule_to_close_timeout=HERE, retry_policy=RETRY
    )


def why(error: ActivityError) -> str:
    """A failed activity in words; a cancellation is no failure and goes on.

    Raises:
        ActivityError: the workflow was cancelled.
    """
    if is_cancelled_exception(error):
        raise error
    return f"{error_type(error)}: {error_message(error)}"


async def meanwhile(happens: Callable[[], bool], until: datetime) -> bool:
    """Wait until something happens, or until a moment; whether it happened."""
    try:
        await workflow.wait_condition(happens, timeout=max(timedelta(), until - workflow.now()))
    except TimeoutError:
        return False
    return True


def pace(since: datetime, least: timedelta, most: timedelta) -> timedelta:
    """The pause before the next look: a quarter of the time since then, within these bounds."""
    return activity_calls.pace(workflow.now() - since, least, most, share=4)
