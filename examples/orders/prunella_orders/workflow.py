"""The workflow of one order: a saga of steps, each a checkpoint, and the way back when one fails."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from prunella_orders.activities import OrderActivities as Activities
    from prunella_orders.model import (
        Checkpoint,
        Closing,
        Letter,
        Mail,
        Order,
        OrderResult,
        OrderState,
        Status,
        Step,
    )
    from prunella_orders.names import STATUS, approval_id
    from prunella_workflows.contracts.options import ALERT, UNTIL_DONE
    from prunella_workflows.patterns import ApprovalRequest, ApprovalWorkflow, Saga, SagaFailed
    from prunella_workflows.temporal.failures import error_message

R = TypeVar("R")

_ATTEMPT = timedelta(seconds=30)


@workflow.defn
class OrderWorkflow:
    """Validates an order, deducts stock, pays, creates the order, sends a mail and ships, or takes all of it back.

    It fails only when something could not be taken back within a day: then a person has to look.
    """

    @workflow.init
    def __init__(self, order: Order) -> None:
        self._order = order
        self._step = Step.VALIDATE
        self._status = Status.PROCESSING
        self._checkpoints: list[Checkpoint] = []
        self._work: asyncio.Task[OrderResult] | None = None

    @workflow.run
    async def run(self, order: Order) -> OrderResult:
        """Complete the order or reverse it; either is a result."""
        self._work = asyncio.create_task(self._fulfil(order))
        try:
            result = await self._work
        except SagaFailed as failure:
            if failure.failed:
                raise
            paid = any(done.step is Step.PAY for done in self._checkpoints)
            result = self._reversed(Status.REFUNDED if paid else Status.REJECTED, failure.outcome.cause)
        except (asyncio.CancelledError, FailureError):  # a saga raises no other error when it is cancelled
            result = self._reversed(Status.CANCELLED, "cancelled")
        await self._close(result)
        return result

    @workflow.signal
    async def cancel(self) -> None:
        """Take the order back, as long as it is not given to the carrier."""
        await workflow.wait_condition(lambda: self._work is not None)
        if self._work and self._step not in (Step.SHIP, Step.CLOSE):
            self._work.cancel()

    @workflow.query(name="getState")
    def state(self) -> OrderState:
        """The step, the items, and the checkpoints so far."""
        return OrderState(
            step=self._step, status=self._status, items=self._order.lines, checkpoints=tuple(self._checkpoints)
        )

    async def _fulfil(self, order: Order) -> OrderResult:
        async with Saga() as saga:
            validation = await self._do(Step.VALIDATE, saga.step(Activities.validate, order))
            if validation.needs_approval:
                await self._do(Step.APPROVE, self._approve(order))
            await self._do(
                Step.RESERVE, saga.step(Activities.deduct_stock, order, compensation=Activities.return_stock)
            )
            payment = await self._do(Step.PAY, saga.step(Activities.pay, order, compensation=Activities.refund))
            await self._do(Step.CREATE, saga.step(Activities.create_order, order))
            await self._do(Step.MAIL, self._mail(Mail(order=order, letter=Letter.CONFIRMED)))
            shipment = await self._do(Step.SHIP, saga.step(Activities.ship, order, compensation=Activities.recall))
        return OrderResult(
            order_id=order.id,
            status=Status.SHIPPED,
            payment_id=payment.payment_id,
            tracking_id=shipment.tracking_id,
        )

    async def _do(self, step: Step, work: Awaitable[R]) -> R:
        """Do a step; its end is a checkpoint."""
        self._step = step
        result = await work
        note = result if isinstance(result, str) else ""
        self._checkpoints.append(Checkpoint(step=step, at=workflow.now(), note=note))
        return result

    async def _approve(self, order: Order) -> str:
        """Wait for a person, for a week at most; return who approved. Raises ApplicationError otherwise."""
        request = ApprovalRequest(
            title=f"Order {order.id} of {order.total_cents / 100:.2f}",
            what=f"{order.customer} orders " + ", ".join(f"{line.quantity} x {line.article}" for line in order.lines),
            channels=("mail",),
        )
        result = await workflow.execute_child_workflow(ApprovalWorkflow.run, request, id=approval_id(order.id))
        if not result.approved:
            raise ApplicationError(f"{result.status} {result.by} {result.reason}".strip(), type="NotApproved")
        return f"approved by {result.by}"

    async def _mail(self, mail: Mail) -> str:
        """Send a mail, and return why it failed, if it did: no mail ever fails an order."""
        try:
            await workflow.execute_activity_method(
                Activities.send_mail, mail, start_to_close_timeout=_ATTEMPT, retry_policy=ALERT
            )
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            return f"not sent: {error_message(error)}"
        return ""

    async def _close(self, result: OrderResult) -> None:
        """Write the end, however long the database is away, and tell the customer of an order taken back."""
        self._step, self._status = Step.CLOSE, result.status
        workflow.upsert_search_attributes([STATUS.value_set(result.status)])
        closing = Closing(order=self._order, result=result)
        await workflow.execute_activity_method(
            Activities.close_order, closing, start_to_close_timeout=_ATTEMPT, retry_policy=UNTIL_DONE
        )
        if result.status is not Status.SHIPPED:
            await self._mail(Mail(order=self._order, letter=Letter.REVERSED))

    def _reversed(self, status: Status, reason: str) -> OrderResult:
        return OrderResult(order_id=self._order.id, status=status, reason=reason)
