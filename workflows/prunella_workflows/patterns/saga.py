"""Sagas: steps in several systems that are all done, or compensated in reverse. Used inside workflows only."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any, Self, TypeVar, overload

from temporalio import workflow
from temporalio.exceptions import ActivityError, FailureError, is_cancelled_exception

from prunella_workflows.contracts.options import IDEMPOTENT, UNTIL_DONE, Options
from prunella_workflows.model.errors import PrunellaError
from prunella_workflows.patterns.saga_failure import FailedCompensation, SagaFailed
from prunella_workflows.patterns.steps import COMPENSATION, NotDone, step_id
from prunella_workflows.temporal.failures import describe_error, error_type
from prunella_workflows.temporal.shield import shielded

R = TypeVar("R")

STEP_OPTIONS = Options(start_to_close=60, retry=IDEMPOTENT)
"""The key of a step makes a repetition harmless."""

COMPENSATION_OPTIONS = Options(start_to_close=60, retry=UNTIL_DONE, schedule_to_close=86_400)
"""A compensation is repeated for a day; one that still fails then is reported."""

_SAME: Any = object()
"""The argument of a compensation that takes that of its step."""


@dataclass(frozen=True)
class _Step:
    """A step that was begun; `argument` is that of its compensation."""

    name: str
    id: str
    handle: workflow.ActivityHandle[Any]
    compensation: Callable[..., Any] | str | None
    argument: Any


class Saga:
    """Run steps, and compensate them in reverse when the block fails or is cancelled.

    ```python
    async with Saga() as saga:
        await saga.step(reserve_stock, order, compensation=release_stock)
        await saga.step(authorise_payment, order, compensation=void_payment)
    ```

    Every step that was begun is compensated, also one whose outcome is unknown, but not one that failed with `NotDone`.
    Compensations are not interrupted by a cancellation. A bug in the workflow's code, which fails the workflow's task
    and not the workflow, compensates nothing: the block continues when the bug is fixed.

    Raises:
        SagaFailed: the block failed, or it was cancelled and a compensation failed.
        CancelledError: the block was cancelled, and all steps are compensated.
    """

    def __init__(
        self,
        options: Options = STEP_OPTIONS,
        *,
        compensation_options: Options = COMPENSATION_OPTIONS,
        parallel_compensation: bool = False,
    ) -> None:
        self._options = options
        self._compensation_options = compensation_options
        self._parallel = parallel_compensation
        self._id = workflow.uuid4().hex[:12]
        self._steps: list[_Step] = []
        self._closed = False
        self._compensated: list[str] = []
        self._failed: list[FailedCompensation] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closed = True
        if error is None or not _is_failure(error):
            return
        await shielded(self._compensate())
        if self._failed or not is_cancelled_exception(error):
            raise SagaFailed(error, self._compensated, self._failed) from error

    @overload
    async def step(
        self,
        activity: Callable[..., Awaitable[R]],
        argument: Any,
        *,
        compensation: Callable[..., Any] | str | None = None,
        compensation_argument: Any = _SAME,
        options: Options | None = None,
    ) -> R: ...

    @overload
    async def step(
        self,
        activity: Callable[..., R],
        argument: Any,
        *,
        compensation: Callable[..., Any] | str | None = None,
        compensation_argument: Any = _SAME,
        options: Options | None = None,
    ) -> R: ...

    @overload
    async def step(
        self,
        activity: str,
        argument: Any,
        *,
        compensation: Callable[..., Any] | str | None = None,
        compensation_argument: Any = _SAME,
        options: Options | None = None,
    ) -> Any: ...

    async def step(
        self,
        activity: Callable[..., Any] | str,
        argument: Any,
        *,
        compensation: Callable[..., Any] | str | None = None,
        compensation_argument: Any = _SAME,
        options: Options | None = None,
    ) -> Any:
        """Run an activity, and remember how to compensate it.

        A step that is cancelled has ended when this raises, so that its compensation cannot overtake it.

        Raises:
            ActivityError: all attempts failed, or it failed for good.
            RuntimeError: the saga has ended.
        """
        if self._closed:
            raise RuntimeError("the saga has ended: it takes no more steps")
        activity_id = step_id(self._id, len(self._steps) + 1)
        handle = _start(activity, argument, options or self._options, activity_id)
        undone_with = argument if compensation_argument is _SAME else compensation_argument
        self._steps.append(_Step(_name(activity), activity_id, handle, compensation, undone_with))
        try:
            return await asyncio.shield(handle)
        except asyncio.CancelledError:
            await shielded(_stop(handle))
            raise

    async def _compensate(self) -> None:
        """Compensate what was begun, when no step runs any more."""
        await asyncio.gather(*(_stop(step.handle) for step in self._steps))
        due = [step for step in reversed(self._steps) if step.compensation and not _had_no_effect(step.handle)]
        if self._parallel:
            await asyncio.gather(*map(self._compensate_step, due))
        else:
            for step in due:
                await self._compensate_step(step)

    async def _compensate_step(self, step: _Step) -> None:
        assert step.compensation is not None
        try:
            await _start(step.compensation, step.argument, self._compensation_options, step.id + COMPENSATION)
        except ActivityError as error:
            failed = FailedCompensation(step=step.name, compensation=error.activity_type, reason=describe_error(error))
            self._failed.append(failed)
        else:
            self._compensated.append(step.name)


def _is_failure(error: BaseException) -> bool:
    """Report whether the block ends with this error, instead of being run again after a bug was fixed."""
    ours = isinstance(error, PrunellaError)
    return ours or is_cancelled_exception(error) or workflow.is_failure_exception(error)


def _start(
    activity: Callable[..., Any] | str, argument: Any, options: Options, activity_id: str
) -> workflow.ActivityHandle[Any]:
    return workflow.start_activity(
        activity,
        argument,
        activity_id=activity_id,
        start_to_close_timeout=timedelta(seconds=options.start_to_close),
        schedule_to_close_timeout=timedelta(seconds=options.schedule_to_close) if options.schedule_to_close else None,
        heartbeat_timeout=timedelta(seconds=options.heartbeat) if options.heartbeat else None,
        retry_policy=options.retry,
        priority=options.priority,
        cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    )


async def _stop(handle: workflow.ActivityHandle[Any]) -> None:
    """Cancel an activity, unless it has ended, and wait for its end."""
    handle.cancel()
    with suppress(FailureError, asyncio.CancelledError):
        await handle


def _had_no_effect(handle: workflow.ActivityHandle[Any]) -> bool:
    error = None if handle.cancelled() else handle.exception()
    return error is not None and error_type(error) == NotDone.__name__


def _name(activity: Callable[..., Any] | str) -> str:
    return activity if isinstance(activity, str) else activity.__name__
