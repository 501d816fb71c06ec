"""Articles, their prices, and reservations of stock by the key of their step."""

from collections.abc import Collection

import asyncpg

from prunella_orders.database import Database, Session
from prunella_orders.errors import AlreadyReversed, InvalidOrder, OutOfStock, UnknownArticle
from prunella_orders.model import Line, Order

_HOLD = "INSERT INTO reservations (key, order_id, held) VALUES ($1, $2, true) ON CONFLICT DO NOTHING RETURNING 1"
_FORBID = "INSERT INTO reservations (key, order_id, held) VALUES ($1, $2, false) ON CONFLICT DO NOTHING RETURNING 1"
_RELEASE = "UPDATE reservations SET held = false WHERE key = $1 AND held RETURNING 1"
_LIST = "INSERT INTO reserved_lines SELECT $1, * FROM unnest($2::text[], $3::int[])"
_TAKE = """
UPDATE stock SET available = available - line.quantity
FROM unnest($1::text[], $2::int[]) AS line (article, quantity) WHERE stock.article = line.article
"""
_RETURN = """
UPDATE stock SET available = available + line.quantity
FROM reserved_lines AS line WHERE line.key = $1 AND stock.article = line.article
"""


class Stock:
    """The warehouse."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def validate(self, order: Order) -> None:
        """Raise UnknownArticle if an article has gone, InvalidOrder if the price has changed since the acceptance."""
        async with self._database.transaction() as session:
            total = await price(session, order.lines)
        if total != order.total_cents:
            raise InvalidOrder(f"the price has changed from {order.total_cents} to {total} cents")

    async def reserve(self, key: str, order: Order) -> None:
        """Take the order's pieces from the stock; repeated, it does nothing.

        Raises:
            OutOfStock: there are not enough pieces; none was taken.
            AlreadyReversed: the reservation was released before.
        """
        try:
            async with self._database.transaction() as session:
                if await session.row(_HOLD, key, order.id):
                    await _take(session, key, order)
                elif not await session.row("SELECT 1 FROM reservations WHERE key = $1 AND held", key):
                    raise AlreadyReversed(f"the stock of order {order.id} was released")
        except asyncpg.CheckViolationError as error:
            raise OutOfStock("not enough of: " + ", ".join(line.article for line in order.lines)) from error

    async def release(self, key: str, order: Order) -> None:
        """Return the order's pieces; repeated, it does nothing. Without a reservation it forbids a later one."""
        async with self._database.transaction() as session:
            if not await session.row(_FORBID, key, order.id) and await session.row(_RELEASE, key):
                await _lock(session, order)
                await session.rows(_RETURN, key)


async def price(session: Session, lines: Collection[Line]) -> int:
    """The price of all lines in cents.

    Raises:
        UnknownArticle: the stock has no such article.
    """
    rows = await session.rows(
        "SELECT article, price_cents FROM stock WHERE article = ANY($1)", [line.article for line in lines]
    )
    prices = {row["article"]: row["price_cents"] for row in rows}
    if unknown := [line.article for line in lines if line.article not in prices]:
        raise UnknownArticle(unknown)
    return sum(prices[line.article] * line.quantity for line in lines)


async def _take(session: Session, key: str, order: Order) -> None:
    articles, quantities = [line.article for line in order.lines], [line.quantity for line in order.lines]
    await _lock(session, order)
    await session.rows(_TAKE, articles, quantities)
    await session.rows(_LIST, key, articles, quantities)


async def _lock(session: Session, order: Order) -> None:
    """Lock the rows in one order, so that orders of the same articles wait for each other and never in a circle."""
    articles = [line.article for line in order.lines]
    await session.rows("SELECT 1 FROM stock WHERE article = ANY($1) ORDER BY article FOR UPDATE", articles)
