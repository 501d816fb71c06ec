"""Services are slow, down, mute or repeat themselves, and a worker is killed: the books are right after each."""

import asyncio

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


async def test_services_that_do_it_and_do_not_answer(shop, stack):
    """The outcome of a charge and of a parcel is unknown; the same key makes the repetition harmless."""
    await shop.faults(stack.payments, mute=True, twice=True)
    await shop.faults(stack.carrier, mute=True)
    order_id = await shop.accepted()
    await asyncio.sleep(3)
    await shop.faults(stack.payments, twice=True)
    await shop.faults(stack.carrier)
    assert (await shop.ended(order_id))["status"] == "shipped"
    assert await shop.audit() == []


async def test_a_slow_payment_service(shop, stack):
    await shop.faults(stack.payments, delay_seconds=6)  # more than its client waits
    order_id = await shop.accepted()
    await shop.until(order_id, lambda order: order.get("step") == "pay")
    await asyncio.sleep(6)
    await shop.faults(stack.payments)
    assert (await shop.ended(order_id))["status"] == "shipped"
    assert await shop.audit() == []


async def test_a_callback_that_is_refused_holds_up_no_other(shop, stack):
    unknown = "4f1dbb10-9a2f-4a2c-8b14-000000000000"
    charge = {"order_id": unknown, "amount_cents": 1, "card": "visa"}
    async with shop.http.post(
        f"{stack.payments.url}/payments", json=charge, headers={"Idempotency-Key": unknown}
    ) as response:
        assert response.status == 201
    order = await shop.ended(await shop.accepted())
    async with asyncio.timeout(60):
        while not await shop.sql("SELECT 1 FROM orders.receipts WHERE order_id = $1", order["id"]):  # noqa: ASYNC110 - in a database
            await asyncio.sleep(0.2)
    await shop.sql("DELETE FROM payments.callbacks USING payments.payments WHERE id = payment_id AND key = $1", unknown)
    await shop.sql("DELETE FROM payments.payments WHERE key = $1", unknown)
    assert await shop.audit() == []


async def test_a_mail_server_that_refuses(shop, mails):
    mails.refuse = "550 no"
    try:
        order = await shop.ended(await shop.accepted())
    finally:
        mails.refuse = ""
    assert order["status"] == "shipped"
    (note,) = [done["note"] for done in order["checkpoints"] if done["step"] == "send_mail"]
    assert note.startswith("not sent: mail: 550")


async def test_a_worker_is_killed_in_the_middle_of_orders(shop, stack):
    """SIGKILL while orders are at every step; another worker completes them, and nothing happens twice."""
    changes = [{}, {"address": "nowhere"}, {"card": "declined"}]
    order_ids = []
    for number in range(12):
        order_ids.append(await shop.accepted(**changes[number % 3]))
        await asyncio.sleep(0.1)
    (killed,) = stack.workers
    killed.kill()
    await asyncio.sleep(0.5)
    assert [order for order in order_ids if (await shop.get(order))["status"] == "processing"]
    killed.start()
    ends = [await shop.ended(order_id) for order_id in order_ids]
    assert [end["status"] for end in ends] == ["shipped", "refunded", "rejected"] * 4
    assert await shop.audit() == []
