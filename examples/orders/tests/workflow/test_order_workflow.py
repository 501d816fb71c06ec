"""The workflow of an order, on a server that skips time, with activities that follow a script."""

import sys
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from temporalio import activity
from temporalio.api.enums.v1 import EventType, IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from prunella_orders.activities import OrderActivities
from prunella_orders.model import Line, Order, Status, Step
from prunella_orders.names import STATUS, TASK_QUEUE, approval_id
from prunella_orders.report import NightlyReport
from prunella_orders.workflow import OrderWorkflow
from prunella_workflows.patterns import ApprovalAnswer, ApprovalWorkflow
from prunella_workflows.temporal.sandbox import workflow_runner

SERVER = Path(sys.executable).parent / "temporal-test-server"
ORDER = Order(
    id="1",
    total_cents=150,
    customer="ada",
    email="ada@example.com",
    address="1 Main Street",
    card="visa",
    lines=(Line(article="apple", quantity=3),),
)
RESULTS = {
    "validate": {"needs_approval": False},
    "notify": {"channel": "mail", "result": "Delivered"},
    "pay": {"payment_id": "p-1"},
    "ship": {"tracking_id": "t-1"},
    "write_report": {
        "day": "2026-01-01", "shipped": 1, "cancelled": 0, "rejected": 0, "refunded": 0, "revenue_cents": 150,
    },
}  # fmt: skip
NAMES = [method.__name__ for method in OrderActivities(None, None, None, None).all]
UP_TO_MAIL = ["validate", "deduct_stock", "pay", "create_order", "send_mail"]
REFUSED = ApplicationError("no", type="ServiceRefused", non_retryable=True)
AWAY = ApplicationError("away", type="Unavailable")


class Script:
    """Activities that note their calls. `outcomes`: by activity, in turn, a result, an error, or a function."""

    def __init__(self, **outcomes):
        self.calls = []
        self._outcomes = outcomes

    @property
    def activities(self):
        return [self._activity(name) for name in NAMES]

    def _activity(self, name):
        @activity.defn(name=name)
        async def run(argument: Any):
            self.calls.append(name)
            outcome = next(iter(self._outcomes.get(name, [])), None)
            self._outcomes[name] = self._outcomes.get(name, [])[1:]
            if isinstance(outcome, Exception):
                raise outcome
            result = await outcome() if callable(outcome) else outcome
            return result or RESULTS.get(name)

        return run


class Environment:
    """Runs one order."""

    def __init__(self, client):
        self.client = client

    @asynccontextmanager
    async def worker(self, script, **options):
        async with Worker(
            self.client,
            task_queue=TASK_QUEUE,
            workflows=[OrderWorkflow, ApprovalWorkflow, NightlyReport],
            activities=script.activities,
            workflow_runner=workflow_runner(),
            **options,
        ):
            yield

    async def start(self):
        return await self.client.start_workflow(OrderWorkflow.run, ORDER, id="order-1", task_queue=TASK_QUEUE)

    async def run(self, script, **options):
        """The result and the state at the end."""
        async with self.worker(script, **options):
            handle = await self.start()
            return await handle.result(), await handle.query("getState", result_type=None)

    @property
    def handle(self):
        return self.client.get_workflow_handle("order-1")

    async def cancel(self):
        """As the customer, from inside an activity: return when the workflow has seen it."""
        await self.handle.signal(OrderWorkflow.cancel)
        await self._is_seen(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED)

    async def cancel_workflow(self):
        """As an administrator."""
        await self.handle.cancel()
        await self._is_seen(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED)

    def answer(self, signal, by="eve"):
        """As the approver, from inside an activity."""

        async def send():
            await self.client.get_workflow_handle(approval_id("1")).signal(signal, ApprovalAnswer(by=by))

        return send

    async def _is_seen(self, kind):
        seen = False
        while not seen:
            kinds = [event.event_type for event in (await self.handle.fetch_history()).events]
            seen = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED in kinds[kinds.index(kind) :]


@pytest.fixture
async def environment():
    async with await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=str(SERVER), data_converter=pydantic_data_converter
    ) as running:
        kind = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
        request = AddSearchAttributesRequest(namespace=running.client.namespace, search_attributes={STATUS.name: kind})
        await running.client.operator_service.add_search_attributes(request)
        yield Environment(running.client)


async def test_a_complete_order(environment):
    script = Script()
    result, state = await environment.run(script)
    assert script.calls == [*UP_TO_MAIL, "ship", "close_order"]
    assert result.model_dump() == {
        "order_id": "1",
        "status": Status.SHIPPED,
        "payment_id": "p-1",
        "tracking_id": "t-1",
        "reason": "",
    }
    assert state["status"] == Status.SHIPPED
    assert state["items"] == [{"article": "apple", "quantity": 3}]
    assert [done["step"] for done in state["checkpoints"]] == [*UP_TO_MAIL, "ship"]


async def test_every_task_may_be_replayed(environment):
    script = Script(ship=[REFUSED])
    result, _ = await environment.run(script, max_cached_workflows=0)
    assert result.status is Status.REFUNDED


async def test_a_mail_that_fails_does_not_fail_the_order(environment):
    result, state = await environment.run(Script(send_mail=[REFUSED]))
    assert result.status is Status.SHIPPED
    assert [done["note"] for done in state["checkpoints"] if done["step"] == Step.MAIL] == ["not sent: no"]


async def test_a_refused_parcel_is_refunded(environment):
    script = Script(ship=[REFUSED])
    result, _ = await environment.run(script)
    assert (result.status, result.payment_id) == (Status.REFUNDED, "")
    assert "ship failed: ServiceRefused: no" in result.reason
    assert script.calls == [*UP_TO_MAIL, "ship", "recall", "refund", "return_stock", "close_order", "send_mail"]


async def test_a_carrier_that_stays_away_is_tried_ten_times(environment):
    script = Script(ship=[AWAY] * 20)
    result, _ = await environment.run(script)
    assert result.status is Status.REFUNDED
    assert script.calls.count("ship") == 10


async def test_a_declined_payment_returns_the_stock(environment):
    script = Script(pay=[REFUSED])
    result, _ = await environment.run(script)
    assert result.status is Status.REJECTED
    assert script.calls[2:] == ["pay", "refund", "return_stock", "close_order", "send_mail"]


async def test_an_invalid_order_reverses_nothing(environment):
    script = Script(validate=[REFUSED])
    result, _ = await environment.run(script)
    assert result.status is Status.REJECTED
    assert script.calls == ["validate", "close_order", "send_mail"]


async def test_payments_that_are_down_for_minutes_delay_the_order(environment):
    script = Script(pay=[AWAY] * 8)
    result, _ = await environment.run(script)
    assert result.status is Status.SHIPPED
    assert script.calls.count("pay") == 9


async def test_a_refund_is_repeated_until_it_is_made(environment):
    script = Script(ship=[REFUSED], refund=[AWAY] * 30)
    result, _ = await environment.run(script)
    assert result.status is Status.REFUNDED
    assert script.calls.count("refund") == 31


async def test_a_customer_cancels_before_the_parcel_is_sent(environment):
    script = Script(send_mail=[environment.cancel])
    result, _ = await environment.run(script)
    assert result.status is Status.CANCELLED
    assert script.calls == [*UP_TO_MAIL, "refund", "return_stock", "close_order", "send_mail"]


async def test_a_customer_cancels_while_the_payment_service_is_down(environment):
    script = Script(pay=[AWAY, AWAY, environment.cancel, *[AWAY] * 20])
    result, _ = await environment.run(script)
    assert result.status is Status.CANCELLED
    assert script.calls[-4:] == ["refund", "return_stock", "close_order", "send_mail"]


async def test_a_parcel_that_is_sent_is_not_cancelled(environment):
    result, _ = await environment.run(Script(ship=[environment.cancel]))
    assert result.status is Status.SHIPPED


async def test_a_signal_that_is_there_first(environment):
    script = Script()
    handle = await environment.start()
    await environment.handle.signal(OrderWorkflow.cancel)
    async with environment.worker(script):
        result = await handle.result()
    assert result.status is Status.CANCELLED
    assert script.calls == ["close_order", "send_mail"]


async def test_a_cancelled_workflow_is_a_cancelled_order(environment):
    result, _ = await environment.run(Script(pay=[environment.cancel_workflow]))
    assert result.status is Status.CANCELLED


async def test_a_large_order_waits_for_an_approval(environment):
    script = Script(validate=[{"needs_approval": True}], notify=[environment.answer(ApprovalWorkflow.approve)])
    result, state = await environment.run(script)
    assert result.status is Status.SHIPPED
    assert script.calls == ["validate", "notify", *UP_TO_MAIL[1:], "ship", "close_order"]
    assert state["checkpoints"][1]["note"] == "approved by eve"


async def test_an_order_that_is_not_approved_takes_nothing(environment):
    script = Script(validate=[{"needs_approval": True}], notify=[environment.answer(ApprovalWorkflow.reject)])
    result, _ = await environment.run(script)
    assert result.status is Status.REJECTED
    assert "Rejected eve" in result.reason
    assert script.calls == ["validate", "notify", "close_order", "send_mail"]


async def test_a_week_without_an_answer_rejects_the_order(environment):
    script = Script(validate=[{"needs_approval": True}])
    result, _ = await environment.run(script)
    assert result.status is Status.REJECTED
    assert "TimedOut" in result.reason


async def test_a_customer_cancels_while_the_approver_is_asked(environment):
    script = Script(validate=[{"needs_approval": True}], notify=[environment.cancel])
    result, _ = await environment.run(script)
    assert result.status is Status.CANCELLED


async def test_the_report_is_written_and_mailed(environment):
    script = Script()
    async with environment.worker(script):
        report = await environment.client.execute_workflow(
            NightlyReport.run, date(2026, 1, 1), id="report", task_queue=TASK_QUEUE
        )
    assert report.revenue_cents == 150
    assert script.calls == ["write_report", "mail_report"]
