"""Orders as the shop keeps them, and what it knows of their money and mails."""

from typing import Any

from prunella_orders.database import Database
from prunella_orders.model import Closing, Mail, Order, Status

_CREATE = """
INSERT INTO orders (id, customer, total_cents, status) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
"""
_CLOSE = """
INSERT INTO orders (id, customer, total_cents, status, reason, payment_id, tracking_id, closed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, now())
ON CONFLICT (id) DO UPDATE SET status = excluded.status, reason = excluded.reason, payment_id = excluded.payment_id,
    tracking_id = excluded.tracking_id, closed_at = excluded.closed_at
WHERE orders.closed_at IS NULL
RETURNING (SELECT extract(epoch FROM now() - received_at)::float8 FROM requests WHERE order_id = orders.id) AS seconds
"""
_FIND = """
SELECT order_id::text AS id, requests.total_cents, received_at::text, coalesce(status, 'processing') AS status, reason,
    payment_id, tracking_id, closed_at::text
FROM requests LEFT JOIN orders ON id = order_id WHERE order_id = $1 AND accepted
"""


class Orders:
    """The table of orders."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, order: Order) -> None:
        """Create an order; repeated, it does nothing."""
        async with self._database.transaction() as session:
            await session.rows(_CREATE, order.id, order.customer, order.total_cents, Status.PROCESSING)

    async def close(self, closing: Closing) -> float | None:
        """Write the end of an order, created or not; return the seconds it took, None if it was written before."""
        order, result = closing.order, closing.result
        values = (result.status, result.reason, result.payment_id, result.tracking_id)
        async with self._database.transaction() as session:
            row = await session.row(_CLOSE, order.id, order.customer, order.total_cents, *values)
        return float(row["seconds"]) if row else None

    async def find(self, order_id: str) -> dict[str, Any] | None:
        """An accepted order, or None."""
        async with self._database.transaction() as session:
            row = await session.row(_FIND, order_id)
        return dict(row) if row else None

    async def was_sent(self, mail: Mail) -> bool:
        """True if that mail was sent."""
        async with self._database.transaction() as session:
            sent = "SELECT 1 FROM mails WHERE order_id = $1 AND letter = $2"
            return await session.row(sent, mail.order.id, mail.letter) is not None

    async def note_sent(self, mail: Mail) -> None:
        """Note that a mail was sent."""
        async with self._database.transaction() as session:
            await session.rows("INSERT INTO mails VALUES ($1, $2) ON CONFLICT DO NOTHING", mail.order.id, mail.letter)
