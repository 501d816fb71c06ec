"""Calls of activities and waits of AlertHandling. Used inside the workflow only."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar, overload

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from prunella_workflows.contracts import alerts, options
from prunella_workflows.contracts.alerts import AlertActivities
from prunella_workflows.temporal import activity_calls
from prunella_workflows.temporal.failures import error_message, error_type

A = TypeVar("A")
R = TypeVar("R")


@overload
async def call(method: Callable[[AlertActivities, A], Awaitable[R]], argument: A) -> R: ...


@overload
async def call(method: Callable[[AlertActivities, A], R], argument: A) -> R: ...


async def call(method: Callable[[AlertActivities, A], Any], argument: A) -> Any:
    """Run an activity with the alert contract's options.

    Raises:
        ActivityError: it failed for good, or all its attempts did.
    """
    return await workflow.execute_activity_method(
        method,
        argument,
        start_to_close_timeout=alerts.START_TO_CLOSE_TIMEOUT,
        heartbeat_timeout=alerts.HEARTBEAT_TIMEOUT,
        retry_policy=options.ALERT,
    )


async def call_local(method: Callable[[AlertActivities, A], R], argument: A) -> R:
    """Run a short activity in the worker that runs the workflow.

    Raises:
        ActivityError: it failed for good, or all its attempts did.
    """
    return await workflow.execute_local_activity_method(
        method, argument, schedule_to_close_timeout=alerts.LOCAL_TIMEOUT, retry_policy=options.ALERT
    )


def failure_text(error: ActivityError) -> str:
    """The text of an activity's failure; a cancellation is raised again.

    Raises:
        ActivityError: the workflow was cancelled.
    """
    if is_cancelled_exception(error):
        raise error
    return f"{error_type(error)}: {error_message(error)}"


async def wait_until(condition: Callable[[], bool], deadline: datetime) -> bool:
    """Wait for a condition until a deadline. True when it holds."""
    try:
        await workflow.wait_condition(condition, timeout=max(timedelta(), deadline - workflow.now()))
    except TimeoutError:
        return False
    return True


def backoff(since: datetime, minimum: timedelta, maximum: timedelta) -> timedelta:
    """The pause before the next check: a quarter of the time since then, within these bounds."""
    return activity_calls.backoff(workflow.now() - since, minimum, maximum, share=4)
