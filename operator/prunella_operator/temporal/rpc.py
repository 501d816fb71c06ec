"""One call to Temporal with a time-out, its errors as ours. For everything in the operator's loop that calls it."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from temporalio.service import RPCError, RPCStatusCode

from prunella_workflows.model.errors import NotFound, Unavailable

T = TypeVar("T")


class TemporalUnavailable(Unavailable):
    """Temporal does not answer; `said` is why."""

    def __init__(self, said: str) -> None:
        super().__init__(f"Temporal: {said}")
        self.said = said


async def ask(call: Awaitable[T], within: float) -> T:
    """The answer, `within` so many seconds.

    A cancellation may come out as an error of the client, or get lost in an answer: it is raised again.

    Raises:
        NotFound: there is no such workflow.
        TemporalUnavailable: no answer, or one that says to try again.
    """
    try:
        async with asyncio.timeout(within):
            answer = await call
    except RPCError as error:
        _stay_cancelled()
        if error.status is RPCStatusCode.NOT_FOUND:
            raise NotFound(error.message) from error
        raise TemporalUnavailable(error.message) from error
    except (TimeoutError, RuntimeError) as error:
        _stay_cancelled()
        raise TemporalUnavailable(str(error) or "no answer") from error
    _stay_cancelled()
    return answer


def _stay_cancelled() -> None:
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
