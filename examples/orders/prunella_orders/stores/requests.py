"""Requests of customers by their Idempotency-Key: a repeated one finds the first one's order."""

import json
from dataclasses import dataclass

from prunella_orders.database import Database
from prunella_orders.model import Order, OrderRequest
from prunella_orders.stores.stock import price

_FIND = "SELECT order_id, body, total_cents, accepted FROM requests WHERE idempotency_key = $1"
_KEEP = """
INSERT INTO requests (idempotency_key, body, total_cents) VALUES ($1, $2, $3)
ON CONFLICT (idempotency_key) DO UPDATE SET idempotency_key = excluded.idempotency_key
RETURNING order_id, body, total_cents, accepted
"""


@dataclass(frozen=True)
class Kept:
    """The first request with a key: its order, and whether its workflow was started."""

    order: Order
    accepted: bool


class Requests:
    """The table of requests."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, key: str, request: OrderRequest) -> Kept:
        """Keep a request and its price, unless there is one with this key; return the first.

        Raises:
            UnknownArticle: the stock has no such article.
        """
        async with self._database.transaction() as session:
            row = await session.row(_FIND, key)
            if row is None:
                total = await price(session, request.lines)
                row = await session.row(_KEEP, key, request.model_dump_json(), total)
        assert row is not None
        values = {**json.loads(row["body"]), "id": str(row["order_id"]), "total_cents": row["total_cents"]}
        return Kept(Order.model_validate(values), row["accepted"])

    async def accept(self, order_id: str) -> None:
        """Note that the workflow of an order was started."""
        async with self._database.transaction() as session:
            await session.rows("UPDATE requests SET accepted = true WHERE order_id = $1", order_id)
