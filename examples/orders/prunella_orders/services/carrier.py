"""The carrier: it takes a parcel once for each key, and a parcel that is recalled is not sent, also when it is late."""

from uuid import UUID

from aiohttp import web

from prunella_orders.database import Database
from prunella_orders.http import ApiError, idempotency_key, read
from prunella_orders.model import Text, Value

_SEND = "INSERT INTO shipments (key, order_id, state) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
_RECALL = "UPDATE shipments SET state = 'recalled' WHERE key = $1 AND state = 'sent'"
_FIND = "SELECT tracking_id::text, order_id::text, state FROM shipments WHERE key = $1"
_NOWHERE = "nowhere"


class Parcel(Value):
    """A request to ship an order."""

    order_id: UUID
    address: Text


class Recall(Value):
    """A request to return the parcel with the same key."""

    order_id: UUID


class Carrier:
    """The handlers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_routes(self, app: web.Application) -> None:
        """Add the routes to an application."""
        app.router.add_post("/shipments", self._ship)
        app.router.add_post("/recalls", self._recall)
        app.router.add_get("/shipments", self._list)

    async def _ship(self, request: web.Request) -> web.Response:
        key, parcel = idempotency_key(request), await read(request, Parcel)
        if parcel.address == _NOWHERE:
            raise ApiError(422, {"address": "it cannot be delivered to"})
        async with self._database.transaction() as session:
            await session.rows(_SEND, key, parcel.order_id, "sent")
            found = await session.row(_FIND, key)
        assert found is not None
        if found["state"] != "sent":
            raise ApiError(409, {"Idempotency-Key": f"this parcel is {found['state']}"})
        return web.json_response(dict(found), status=201)

    async def _recall(self, request: web.Request) -> web.Response:
        key, recall = idempotency_key(request), await read(request, Recall)
        async with self._database.transaction() as session:
            await session.rows(_SEND, key, recall.order_id, "void")
            await session.rows(_RECALL, key)
            found = await session.row(_FIND, key)
        return web.json_response(dict(found or {}))

    async def _list(self, _: web.Request) -> web.Response:
        """All parcels: for those who check the books."""
        async with self._database.transaction() as session:
            rows = await session.rows("SELECT order_id::text, state FROM shipments")
        return web.json_response([dict(row) for row in rows])
