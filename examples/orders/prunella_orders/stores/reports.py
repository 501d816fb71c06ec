"""The daily reports."""

from datetime import date

from prunella_orders.database import Database
from prunella_orders.model import Report

_WRITE = """
INSERT INTO reports (day, shipped, cancelled, rejected, refunded, revenue_cents)
SELECT $1::date, count(*) FILTER (WHERE status = 'shipped'), count(*) FILTER (WHERE status = 'cancelled'),
    count(*) FILTER (WHERE status = 'rejected'), count(*) FILTER (WHERE status = 'refunded'),
    coalesce(sum(total_cents) FILTER (WHERE status = 'shipped'), 0)
FROM orders WHERE (closed_at AT TIME ZONE 'UTC')::date = $1::date
ON CONFLICT (day) DO UPDATE SET shipped = excluded.shipped, cancelled = excluded.cancelled,
    rejected = excluded.rejected, refunded = excluded.refunded, revenue_cents = excluded.revenue_cents
RETURNING *
"""


class Reports:
    """The table of reports."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, day: date) -> Report:
        """Write the report of a day; repeated, it is made again from the orders."""
        async with self._database.transaction() as session:
            row = await session.row(_WRITE, day)
        assert row is not None
        return Report(**row)
