"""The payment service: it charges and refunds once for each key, and tells the shop until that has answered."""

import asyncio
from typing import Any, NoReturn
from uuid import UUID

import aiohttp
import structlog
from aiohttp import web

from prunella_orders.database import Database
from prunella_orders.http import ApiError, idempotency_key, read
from prunella_orders.model import Cents, Text, Value
from prunella_orders.services.faults import Faulty
from prunella_orders.settings import Settings
from prunella_workflows.model.errors import Unavailable

_log = structlog.get_logger("orders.payments")
_POLL_SECONDS = 0.5
_TIMEOUT = aiohttp.ClientTimeout(total=5.0)

_CHARGE = """
INSERT INTO payments (key, order_id, amount_cents, state) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING id
"""
_FIND = "SELECT id::text AS payment_id, order_id::text, amount_cents, state FROM payments WHERE key = $1"
_VOID = """
INSERT INTO payments (key, order_id, amount_cents, state) VALUES ($1, $2, 0, 'void') ON CONFLICT DO NOTHING
"""
_REFUND = "UPDATE payments SET state = 'refunded' WHERE key = $1 AND state = 'captured' RETURNING id"
_TELL = "INSERT INTO callbacks (payment_id, kind) VALUES ($1, $2)"
_UNSENT = """
SELECT payment_id::text, kind, order_id::text, amount_cents FROM callbacks JOIN payments ON id = payment_id
WHERE NOT delivered LIMIT 100
"""
_TOLD = "UPDATE callbacks SET delivered = true WHERE payment_id = $1 AND kind = $2"


class Charge(Value):
    """A request to charge a card."""

    order_id: UUID
    amount_cents: Cents
    card: Text


class Refund(Value):
    """A request to return what was charged with the same key."""

    order_id: UUID


class Payments:
    """The handlers, and the sender of callbacks."""

    def __init__(self, settings: Settings, database: Database, faulty: Faulty) -> None:
        self._settings, self._database, self._faulty = settings, database, faulty

    def add_routes(self, app: web.Application) -> None:
        """Add the routes to an application."""
        app.router.add_post("/payments", self._charge)
        app.router.add_post("/refunds", self._refund)
        app.router.add_get("/payments", self._list)

    async def _charge(self, request: web.Request) -> web.Response:
        key, charge = idempotency_key(request), await read(request, Charge)
        state = "declined" if charge.card == "declined" else "captured"
        async with self._database.transaction() as session:
            made = await session.row(_CHARGE, key, charge.order_id, charge.amount_cents, state)
            if made and state == "captured":
                await session.rows(_TELL, made["id"], "captured")
            found = await session.row(_FIND, key)
        assert found is not None
        if found["state"] == "declined":
            raise ApiError(402, {"card": "the card is declined"})
        if found["state"] != "captured":
            raise ApiError(409, {"Idempotency-Key": f"this payment is {found['state']}"})
        if (found["order_id"], found["amount_cents"]) != (str(charge.order_id), charge.amount_cents):
            raise ApiError(422, {"Idempotency-Key": "it was used for another payment"})
        return web.json_response(dict(found), status=201)

    async def _refund(self, request: web.Request) -> web.Response:
        key, refund = idempotency_key(request), await read(request, Refund)
        async with self._database.transaction() as session:
            await session.rows(_VOID, key, refund.order_id)
            refunded = await session.row(_REFUND, key)
            if refunded:
                await session.rows(_TELL, refunded["id"], "refunded")
            found = await session.row(_FIND, key)
        return web.json_response(dict(found or {}))

    async def _list(self, _: web.Request) -> web.Response:
        """The whole ledger: for those who check the books."""
        async with self._database.transaction() as session:
            rows = await session.rows("SELECT order_id::text, amount_cents, state FROM payments")
        return web.json_response([dict(row) for row in rows])

    async def tell(self) -> NoReturn:
        """Send callbacks until each has its answer; one may be sent more than once."""
        async with aiohttp.ClientSession(timeout=_TIMEOUT, raise_for_status=True) as http:
            while True:
                try:
                    async with self._database.transaction() as session:
                        unsent = [dict(row) for row in await session.rows(_UNSENT)]
                    for callback in unsent:
                        await self._send(http, callback)
                except Unavailable as error:
                    _log.warning("callbacks wait", error=str(error))
                await asyncio.sleep(_POLL_SECONDS)

    async def _send(self, http: aiohttp.ClientSession, callback: dict[str, Any]) -> None:
        """Send one callback; one that fails is sent again later, and holds up no other."""
        headers = {"Authorization": f"Bearer {self._settings.callback_token.get_secret_value()}"}
        try:
            for _ in range(2 if self._faulty.now.twice else 1):
                async with http.post(self._settings.callback_url, json=callback, headers=headers):
                    pass
        except (aiohttp.ClientError, TimeoutError) as error:
            _log.warning("a callback waits", error=str(error), **callback)
            return
        async with self._database.transaction() as session:
            await session.rows(_TOLD, callback["payment_id"], callback["kind"])
