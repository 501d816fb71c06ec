"""The shop's own account of money: one row for each event of a payment."""

from typing import Any, Literal
from uuid import UUID

from prunella_orders.database import Database
from prunella_orders.model import Cents, Value


class Callback(Value):
    """A message of the payment service: an order was charged, or refunded."""

    payment_id: UUID
    order_id: UUID
    kind: Literal["captured", "refunded"]
    amount_cents: Cents


class Receipts:
    """The table of receipts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def book(self, callback: Callback) -> dict[str, Any] | None:
        """Book an event once; return the booking, the first one's if it is repeated. None: there is no such order."""
        async with self._database.transaction() as session:
            if not await session.row("SELECT 1 FROM requests WHERE order_id = $1", callback.order_id):
                return None
            values = (callback.payment_id, callback.kind, callback.order_id, callback.amount_cents)
            await session.rows("INSERT INTO receipts VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING", *values)
            found = "SELECT * FROM receipts WHERE payment_id = $1 AND kind = $2"
            row = await session.row(found, callback.payment_id, callback.kind)
        return dict(row) if row else None
