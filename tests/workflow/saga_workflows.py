"""Workflows with sagas, as applications write them: the same steps with other options, endings and bugs."""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from prunella_workflows.contracts.options import IDEMPOTENT
from prunella_workflows.model.errors import Permanent, Retryable
from prunella_workflows.patterns import Options, Saga, SagaFailed, translate_errors

TWICE = Options(2, RetryPolicy(maximum_attempts=2))


@workflow.defn(name="Order")
class OrderSaga:
    """The guide's five steps."""

    @workflow.run
    async def run(self, order: str) -> str:
        async with Saga() as saga:
            await saga.step("reserve_stock", order, compensation="release_stock")
            authorisation = await saga.step("authorise_payment", order, compensation="void_payment")
            await saga.step("create_order", order, compensation="cancel_order")
            await saga.step("capture_payment", authorisation, compensation="refund_payment")
            return await saga.step("commit_stock", order)


QUICK = Options(3, RetryPolicy(initial_interval=timedelta(milliseconds=200)))
QUICK_STEPS = (
    "reserve_stock",
    "authorise_payment",
    "create_order",
    "commit_stock",
    "cancel_order",
    "void_payment",
    "release_stock",
)
"""The activities of QuickSaga in order, of which `commit_stock` fails."""


@workflow.defn(name="Order")
class QuickSaga:
    """Four steps that notice within seconds that their worker died."""

    @workflow.run
    async def run(self, order: str) -> None:
        async with Saga(QUICK, compensation_options=QUICK) as saga:
            await saga.step("reserve_stock", order, compensation="release_stock")
            await saga.step("authorise_payment", order, compensation="void_payment")
            await saga.step("create_order", order, compensation="cancel_order")
            await saga.step("commit_stock", order)


@workflow.defn(name="Order")
class OptionsSaga:
    """A step with an argument of its own for its compensation, few attempts, and compensations at the same time."""

    @workflow.run
    async def run(self, order: str) -> str:
        async with Saga(Options(5, IDEMPOTENT), compensation_options=TWICE, parallel_compensation=True) as saga:
            await saga.step("reserve_stock", order, compensation="release_stock", compensation_argument="shelf 4")
            await saga.step("create_order", order, compensation="cancel_order", options=TWICE)
            return await saga.step("commit_stock", order, options=TWICE)


@workflow.defn(name="Order")
class SideBySideSaga:
    """Two branches at the same time."""

    @workflow.run
    async def run(self, order: str) -> None:
        async with Saga() as saga:
            await asyncio.gather(self._stock(saga, order), self._payment(saga, order))

    async def _stock(self, saga: Saga, order: str) -> None:
        await saga.step("reserve_stock", order, compensation="release_stock")
        await saga.step("create_order", order, compensation="cancel_order")

    async def _payment(self, saga: Saga, order: str) -> None:
        await saga.step("authorise_payment", order, compensation="void_payment")


@workflow.defn(name="Order")
class StoppableSaga:
    """A customer stops the order by a signal; the code itself cancels the step, maybe more than once."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    @workflow.run
    async def run(self, order: str) -> str:
        self._task = asyncio.create_task(self._order(order))
        try:
            await self._task
        except asyncio.CancelledError:
            return "stopped"
        return "done"

    async def _order(self, order: str) -> None:
        async with Saga() as saga:
            await saga.step("reserve_stock", order, compensation="release_stock")
            await saga.step("create_order", order, compensation="cancel_order")

    @workflow.signal
    def stop(self) -> None:
        assert self._task is not None
        self._task.cancel()


@workflow.defn(name="Order")
class CatchingSaga:
    """A workflow that reports the failure itself."""

    @workflow.run
    async def run(self, order: str) -> list[str]:
        try:
            async with Saga(compensation_options=TWICE) as saga:
                await saga.step("reserve_stock", order, compensation="release_stock")
                await saga.step("create_order", order, compensation="cancel_order")
                raise Permanent("the customer is unknown")
        except SagaFailed as failed:
            failures = [f"{one.step}: {one.compensation}: {one.reason}" for one in failed.failed]
            return [failed.outcome.cause, *failed.compensated, *failures]


@workflow.defn(name="Order")
class SlowSaga:
    """A block that takes too long outside of its steps."""

    @workflow.run
    async def run(self, order: str) -> None:
        async with Saga() as saga:
            await saga.step("reserve_stock", order, compensation="release_stock")
            await workflow.wait_condition(lambda: False, timeout=60)


@workflow.defn(name="Order")
class BuggySaga:
    """A bug between two steps."""

    @workflow.run
    async def run(self, order: str) -> str:
        async with Saga() as saga:
            await saga.step("reserve_stock", order, compensation="release_stock")
            return f"{1 / 0}"


@workflow.defn(name="Order")
class LateSaga:
    """A step after the end of the saga."""

    @workflow.run
    async def run(self, order: str) -> str:
        async with Saga() as saga:
            await saga.step("reserve_stock", order, compensation="release_stock")
        try:
            await saga.step("create_order", order, compensation="cancel_order")
        except RuntimeError as error:
            return str(error)
        return ""


@workflow.defn(name="Order")
class EmptySaga:
    """Fails before its first step."""

    @workflow.run
    async def run(self, order: str) -> None:
        async with Saga():
            raise Permanent(f"there is no order {order}")


@workflow.defn(name="Failing")
class Failing:
    """Fails with the temporary or the permanent error until its third attempt."""

    @workflow.run
    async def run(self, kind: str) -> int:
        attempt = workflow.info().attempt
        with translate_errors():
            if attempt < 3:
                raise (Retryable if kind == "temporary" else Permanent)("not now")
        return attempt


@workflow.defn(name="Order")
class TranslatedOrder:
    """One step without a saga, whose errors are translated."""

    @workflow.run
    async def run(self, order: str) -> str:
        with translate_errors():
            return await workflow.execute_activity(
                "commit_stock",
                order,
                start_to_close_timeout=timedelta(seconds=TWICE.start_to_close),
                retry_policy=TWICE.retry,
            )
