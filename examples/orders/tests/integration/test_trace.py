"""One trace from the request of a customer to the statements and calls of each activity, through four processes."""

import asyncio

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

TRACE = "0af7651916cd43dd8448eb211c80319c"
ORDER = {
    "customer": "ada",
    "email": "ada@example.com",
    "address": "1 Main Street",
    "card": "visa",
    "lines": [{"article": "apple", "quantity": 1}],
}
SENT = f"00-{TRACE}-b7ad6b7169203331-01"


async def test_one_trace(shop, spans):
    status, answer = await shop.post("/orders", ORDER, **{"Idempotency-Key": next(shop.keys), "traceparent": SENT})
    assert status == 202
    await shop.ended(answer["id"])
    mine = await _collected(spans)
    names = {span.span_id: f"{service}: {span.name}" for service, span in mine}
    edges = {(names.get(span.parent_span_id, "caller"), f"{service}: {span.name}") for service, span in mine}
    assert {
        ("caller", "order-service: POST /orders"),
        ("order-service: POST /orders", "order-service: postgresql INSERT"),
        ("order-service: POST /orders", "order-workers: workflow:OrderWorkflow"),
        ("order-workers: workflow:OrderWorkflow", "order-workers: activity:pay"),
        ("order-workers: activity:deduct_stock", "order-workers: postgresql UPDATE"),
        ("order-workers: activity:pay", "order-workers: payments POST"),
        ("order-workers: payments POST", "payments: POST /payments"),
        ("payments: POST /payments", "payments: postgresql INSERT"),
        ("order-workers: activity:send_mail", "order-workers: smtp send"),
        ("order-workers: carrier POST", "carrier: POST /shipments"),
    } <= edges
    assert [name for name, _ in edges].count("caller") == 1


async def _collected(spans):
    """All spans of the trace, once the workflow's own has come, and those that are on their way."""
    mine = []
    async with asyncio.timeout(60):
        while not any(span.name == "workflow:OrderWorkflow" for _, span in mine):
            await asyncio.sleep(0.5)
            mine = [(service, span) for service, span in spans.spans if span.trace_id.hex() == TRACE]
    await asyncio.sleep(1)
    return [(service, span) for service, span in spans.spans if span.trace_id.hex() == TRACE]
