"""Delivery of messages and tickets: one activity for each channel, so that a failing channel delays no other.

Used inside workflows only. A failed delivery is a result here, not an error: nothing stops because a chat is down.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from prunella_workflows.contracts import notifications
from prunella_workflows.contracts.notifications import Message, NoticeActivities, NotifyRequest, TicketRequest
from prunella_workflows.model.incident_status import Delivery, DeliveryResult, TicketRef
from prunella_workflows.temporal.failures import error_message, error_type

A = TypeVar("A")
R = TypeVar("R")


async def notify_all(channels: tuple[str, ...], message: Message, key: str) -> tuple[Delivery, ...]:
    """Send a message to every channel at once. Return the result for each."""
    return tuple(await asyncio.gather(*(_notify(channel, message, key) for channel in channels)))


async def sync_ticket(request: TicketRequest) -> tuple[TicketRef | None, str]:
    """Open, update or close a ticket. Return it, or None and the reason why there is none."""
    try:
        return await _call(NoticeActivities.ticket, request), ""
    except ActivityError as error:
        if is_cancelled_exception(error):
            raise
        return None, f"{error_type(error)}: {error_message(error)}"


async def _notify(channel: str, message: Message, key: str) -> Delivery:
    try:
        return await _call(NoticeActivities.notify, NotifyRequest(channel=channel, message=message, key=key))
    except ActivityError as error:
        if is_cancelled_exception(error):
            raise
        return Delivery(
            channel=channel,
            result=DeliveryResult.FAILED,
            reason=error_type(error),
            message=error_message(error),
            at=workflow.now(),
        )


async def _call(method: Callable[[NoticeActivities, A], R], argument: A) -> R:
    options = notifications.NOTIFICATION_OPTIONS[method.__name__]
    return await workflow.execute_activity_method(
        method,
        argument,
        start_to_close_timeout=timedelta(seconds=options.start_to_close),
        heartbeat_timeout=timedelta(seconds=notifications.HEARTBEAT_TIMEOUT_SECONDS),
        retry_policy=options.retry,
    )
