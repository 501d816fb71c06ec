"""Requests that are refused, each with the field at fault."""

import json

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from prunella_orders.http import explained, idempotency_key, measured, read
from prunella_orders.model import OrderRequest

GOOD = {
    "customer": "ada",
    "email": "ada@example.com",
    "address": "1 Main Street",
    "card": "visa",
    "lines": [{"article": "apple", "quantity": 3}],
}
APPLE = {"article": "apple", "quantity": 1}


@pytest.fixture
async def client():
    async def post(request):
        idempotency_key(request)
        return web.json_response((await read(request, OrderRequest)).model_dump())

    app = web.Application(middlewares=[measured, explained])
    app.router.add_post("/orders", post)
    async with TestClient(TestServer(app)) as client:
        yield client


async def send(client, body, key="a"):
    response = await client.post("/orders", data=body, headers={"Idempotency-Key": key})
    answer = await response.json()
    return response.status, {fault["field"] for fault in answer.get("errors", ())}


async def test_a_good_request(client):
    assert await send(client, json.dumps(GOOD)) == (200, set())


@pytest.mark.parametrize("body", ["", "{", "apples", "\xff"])
async def test_what_is_no_json(client, body):
    assert await send(client, body) == (400, {"body"})


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"lines": [{"article": "apple", "quantity": -3}]}, "lines.0.quantity"),
        ({"lines": [{"article": "apple", "quantity": 0}]}, "lines.0.quantity"),
        ({"lines": [APPLE, {"article": "bread", "quantity": "many"}]}, "lines.1.quantity"),
        ({"lines": [{**APPLE, "price_cents": 1}]}, "lines.0.price_cents"),
        ({"lines": [APPLE, APPLE]}, "lines"),
        ({"lines": []}, "lines"),
        ({"lines": [APPLE] * 51}, "lines"),
        ({"email": "ada"}, "email"),
        ({"customer": ""}, "customer"),
        ({"total_cents": 1}, "total_cents"),
        ({"id": "mine"}, "id"),
    ],
)
async def test_a_bad_field(client, change, field):
    assert await send(client, json.dumps(GOOD | change)) == (422, {field})


@pytest.mark.parametrize("field", GOOD)
async def test_a_missing_field(client, field):
    body = {name: value for name, value in GOOD.items() if name != field}
    assert await send(client, json.dumps(body)) == (422, {field})


@pytest.mark.parametrize("key", ["", "x" * 201])
async def test_a_bad_key(client, key):
    assert await send(client, json.dumps(GOOD), key) == (400, {"Idempotency-Key"})


async def test_an_unknown_path_is_answered_as_json(client):
    response = await client.get("/nowhere")
    assert response.status == 404
    assert (await response.json()) == {"errors": [{"field": "", "message": "Not Found"}]}
