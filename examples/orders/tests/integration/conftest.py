"""The whole system on real servers: PostgreSQL, Temporal, the services as processes, SMTP, and an OTLP receiver."""

import asyncio
import itertools
import secrets

import aiohttp
import asyncpg
import pytest
from fakes.mail_server import MailServer
from fakes.otlp_receiver import receiving_spans
from support.programs import postgresql

from orderstack.stack import Stack
from prunella_orders import books
from prunella_orders.database import Database

ORDER = {
    "customer": "ada",
    "email": "ada@example.com",
    "address": "1 Main Street",
    "card": "visa",
    "lines": [{"article": "apple", "quantity": 3}, {"article": "bread", "quantity": 1}],
}
_WITHIN_SECONDS = 60


@pytest.fixture(scope="session")
def spans():
    with receiving_spans() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def mails():
    with MailServer() as server:
        yield server


@pytest.fixture(scope="session")
def stack(spans, mails, tmp_path_factory):
    """The system, for all tests of this folder."""
    postgresql()
    more = {"OTEL_EXPORTER_OTLP_ENDPOINT": spans.address, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    with Stack(tmp_path_factory.mktemp("orders"), smtp_port=mails.port, more=more) as running:
        yield running


class Shop:
    """A customer of the system, and its auditor."""

    def __init__(self, stack, http):
        self.stack, self.http = stack, http
        self.keys = (f"{secrets.token_hex(4)}-{number}" for number in itertools.count())

    async def post(self, path, body=None, **headers):
        async with self.http.post(self.stack.api.url + path, json=body, headers=headers) as response:
            return response.status, await response.json()

    async def order(self, key=None, **change):
        return await self.post("/orders", ORDER | change, **{"Idempotency-Key": key or next(self.keys)})

    async def accepted(self, **change):
        """The id of a new order."""
        status, answer = await self.order(**change)
        assert status == 202, answer
        return answer["id"]

    async def get(self, order_id):
        async with self.http.get(f"{self.stack.api.url}/orders/{order_id}") as response:
            return await response.json()

    async def until(self, order_id, holds):
        """The order, once that holds."""
        for _ in range(10 * _WITHIN_SECONDS):
            if holds(order := await self.get(order_id)):
                return order
            await asyncio.sleep(0.1)
        raise TimeoutError(order)

    async def ended(self, order_id):
        """The order with its history, once it has ended and a worker has answered."""
        return await self.until(order_id, lambda order: "closed_at" in order and "checkpoints" in order)

    async def sql(self, statement, *arguments):
        connection = await asyncpg.connect(self.stack.database_url)
        rows = await connection.fetch(statement, *arguments)
        await connection.close()
        return rows

    async def faults(self, service, **faults):
        async with self.http.put(f"{service.url}/faults", json=faults) as response:
            response.raise_for_status()

    async def audit(self):
        """The errors in the books, once all callbacks are booked."""
        database = Database(self.stack.database_url, "orders")
        try:
            for _ in range(_WITHIN_SECONDS):
                read = await books.fetch(database, self.stack.payments.url, self.stack.carrier.url)
                errors = books.audit(read).errors
                if not errors:
                    break
                await asyncio.sleep(1)
        finally:
            await database.close()
        return errors


@pytest.fixture
async def shop(stack):
    async with aiohttp.ClientSession() as http:
        shop = Shop(stack, http)
        yield shop
        await shop.faults(stack.payments)
        await shop.faults(stack.carrier)
