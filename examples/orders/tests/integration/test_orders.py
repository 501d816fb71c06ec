"""Orders on the whole system: complete, refused, reversed, cancelled; and the books are right after each."""

import asyncio
from datetime import timedelta

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from prunella_operator import clock
from prunella_orders import oldest
from prunella_orders.names import REPORT, TASK_QUEUE
from prunella_orders.report import NightlyReport

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]


async def test_an_order_is_shipped_and_confirmed(shop, mails):
    order = await shop.ended(await shop.accepted(email="first@example.com"))
    assert order["status"] == "shipped"
    assert order["payment_id"]
    assert order["tracking_id"]
    assert [done["step"] for done in order["checkpoints"]] == [
        "validate",
        "deduct_stock",
        "pay",
        "create_order",
        "send_mail",
        "ship",
    ]
    assert [mail["Subject"] for to, mail in mails.mails if to == ["first@example.com"]] == [f"Your order {order['id']}"]
    assert await shop.audit() == []


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"card": "declined"}, "rejected", "pay failed"),
        ({"lines": [{"article": "unicorn", "quantity": 1}]}, "rejected", "OutOfStock"),
        ({"address": "nowhere"}, "refunded", "ship failed"),
    ],
)
async def test_an_order_that_cannot_be_completed_is_reversed(shop, change, status, reason):
    order = await shop.ended(await shop.accepted(**change))
    assert order["status"] == status
    assert reason in order["reason"]
    assert "payment_id" not in order
    assert await shop.audit() == []


async def test_a_repeated_request_gets_the_first_answer_and_another_one_is_refused(shop):
    answers = await asyncio.gather(*(shop.order("the same") for _ in range(5)))
    assert {(status, answer["id"]) for status, answer in answers} == {(202, answers[0][1]["id"])}
    status, answer = await shop.order("the same", customer="bob")
    assert (status, answer["errors"][0]["field"]) == (422, "Idempotency-Key")
    await shop.ended(answers[0][1]["id"])
    assert await shop.audit() == []


async def test_an_unknown_article_is_named(shop):
    lines = [{"article": "apple", "quantity": 1}, {"article": "stone", "quantity": 1}]
    status, answer = await shop.order(lines=lines)
    assert status == 422
    assert answer["errors"] == [{"field": "lines.1.article", "message": "unknown article: stone"}]


async def test_a_customer_cancels(shop, stack):
    await shop.faults(stack.payments, down=True)
    order_id = await shop.accepted()
    await shop.until(order_id, lambda order: order.get("step") == "pay")
    assert (await shop.post(f"/orders/{order_id}/cancel"))[0] == 202
    await shop.faults(stack.payments)
    order = await shop.ended(order_id)
    assert order["status"] == "cancelled"
    status, answer = await shop.post(f"/orders/{order_id}/cancel")
    assert (status, answer["errors"][0]["field"]) == (409, "order_id")
    assert await shop.audit() == []


@pytest.mark.parametrize("name", ["not-an-id", "4f1dbb10-9a2f-4a2c-8b14-000000000000"])
async def test_an_unknown_order(shop, name):
    assert (await shop.get(name))["errors"][0]["field"] == "order_id"
    assert (await shop.post(f"/orders/{name}/cancel"))[0] == 404


async def test_orders_are_found_by_customer_and_status(shop, stack):
    order_id = await shop.accepted(customer="O'Neil")
    await shop.ended(order_id)
    found = []
    async with asyncio.timeout(30):
        while not found:  # visibility is behind
            query = {"customer": "O'Neil", "status": "shipped"}
            async with shop.http.get(f"{stack.api.url}/orders", params=query) as response:
                found = (await response.json())["orders"]
    assert [order["id"] for order in found] == [order_id]
    for bad in ({"status": "lost"}, {"customer": "back\\slash"}):
        async with shop.http.get(f"{stack.api.url}/orders", params=bad) as response:
            assert response.status == 422


async def test_a_callback_is_booked_once(shop):
    order = await shop.ended(await shop.accepted())
    assert await shop.audit() == []
    callback = {
        "payment_id": order["payment_id"],
        "order_id": order["id"],
        "kind": "captured",
        "amount_cents": order["total_cents"],
    }
    shown = {"Authorization": "Bearer local"}
    first, again = [await shop.post("/payments/callback", callback, **shown) for _ in range(2)]
    assert first == again
    assert first[0] == 200
    assert await shop.audit() == []
    for change, status, field in (
        ({"amount_cents": 1}, 422, "amount_cents"),
        ({"amount_cents": -1}, 422, "amount_cents"),
        ({"kind": "lost"}, 422, "kind"),
        ({"order_id": order["payment_id"]}, 422, "order_id"),
    ):
        answer = await shop.post("/payments/callback", callback | change, **shown)
        assert (answer[0], answer[1]["errors"][0]["field"]) == (status, field)
    assert (await shop.post("/payments/callback", callback))[0] == 401


@pytest.mark.parametrize(("decision", "status"), [("approve", "shipped"), ("reject", "rejected")])
async def test_a_large_order_waits_for_an_approval(shop, mails, decision, status):
    order_id = await shop.accepted(lines=[{"article": "truffle", "quantity": 12}])
    await shop.until(order_id, lambda _: any(order_id in str(mail["Subject"]) for _, mail in mails.mails))
    path, answer = f"/orders/{order_id}/approval", {"decision": decision, "by": "eve"}
    assert (await shop.post(path, answer))[0] == 401
    shown = {"Authorization": "Bearer local"}
    assert (await shop.post(path, {"decision": "maybe", "by": "eve"}, **shown))[0] == 422
    assert (await shop.get(order_id))["step"] == "approve"
    assert (await shop.post(path, answer, **shown))[0] == 202
    assert (await shop.ended(order_id))["status"] == status
    assert (await shop.post(path, answer, **shown))[0] == 409
    assert await shop.audit() == []


async def test_an_order_is_old_unless_it_waits_for_a_person(shop, stack, mails):
    client = await Client.connect(stack.temporal_address, data_converter=pydantic_data_converter)
    order_id = await shop.accepted(lines=[{"article": "truffle", "quantity": 12}])
    await shop.until(order_id, lambda _: any(order_id in str(mail["Subject"]) for _, mail in mails.mails))
    await oldest.measure(client, timedelta(0))
    assert oldest.OLDEST._value.get() == 0
    stalled = await client.start_workflow("OrderWorkflow", id="order-stalled", task_queue="without-workers")
    began = (await stalled.describe()).start_time
    async with asyncio.timeout(20):
        while not oldest.OLDEST._value.get():  # what is listed is a moment late
            before = clock.now()
            await oldest.measure(client, timedelta(0))
    age = timedelta(seconds=oldest.OLDEST._value.get())
    assert before - began <= age <= clock.now() - began, "the age of the stalled one, not of the older that waits"
    await oldest.measure(client)
    assert oldest.OLDEST._value.get() == 0
    await stalled.terminate()
    body = {"decision": "reject", "by": "eve"}
    await shop.post(f"/orders/{order_id}/approval", body, Authorization="Bearer local")
    await shop.ended(order_id)


async def test_the_report_of_each_night(shop, stack, mails):
    await shop.ended(await shop.accepted())
    client = await Client.connect(stack.temporal_address, data_converter=pydantic_data_converter)
    today = clock.now().date()
    report = await client.execute_workflow(NightlyReport.run, today, id="report-by-hand", task_queue=TASK_QUEUE)
    assert report.shipped >= 1
    assert report.revenue_cents >= 500
    await client.get_schedule_handle(REPORT).trigger()
    yesterday = f"Orders of {today - timedelta(days=1)}"
    async with asyncio.timeout(60):
        while all(mail["Subject"] != yesterday for _, mail in mails.mails):  # noqa: ASYNC110 - another process sends it
            await asyncio.sleep(0.2)


async def test_health_and_metrics(shop, stack):
    await shop.ended(await shop.accepted())
    for process in (stack.api, stack.payments, stack.carrier, *stack.workers):
        async with shop.http.get(f"{process.url}/readyz") as response:
            assert response.status == 200
    async with shop.http.get(f"{stack.workers[0].url}/metrics") as response:
        text = await response.text()
    for name in ("orders_closed_total", "temporal_workflow_completed_total", "temporal_task_queue_depth"):
        assert name in text
