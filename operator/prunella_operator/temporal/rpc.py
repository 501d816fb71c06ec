"""One request to Temporal with a timeout and our errors, for everything in the operator's event loop."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from temporalio.service import RPCError, RPCStatusCode

from prunella_workflows.model.errors import NotFound, Unavailable

T = TypeVar("T")


class TemporalUnavailable(Unavailable):
    """Temporal does not answer; `detail` is the reason."""

    def __init__(self, detail: str) -> None:
        super().__init__(f"Temporal: {detail}")
        self.detail = detail


async def call(request: Awaitable[T], timeout_seconds: float) -> T:
    """Await the response. Raises NotFound without such a workflow, TemporalUnavailable when a retry may help.

    The client may turn a cancellation into an error, or lose it when a response arrives: it is raised again.
    """
    try:
        async with asyncio.timeout(timeout_seconds):
            response = await request
    except RPCError as error:
        _reraise_cancellation()
        if error.status is RPCStatusCode.NOT_FOUND:
            raise NotFound(error.message) from error
        raise TemporalUnavailable(error.message) from error
    except (TimeoutError, RuntimeError) as error:
        _reraise_cancellation()
        raise TemporalUnavailable(str(error) or "no answer") from error
    _reraise_cancellation()
    return response


def _reraise_cancellation() -> None:
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
