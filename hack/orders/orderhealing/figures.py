"""Figures of the orders of one fault, from the system's own database, and the audit of the books."""

from dataclasses import dataclass
from datetime import datetime

from orderhealing.load import PATIENCE_SECONDS
from prunella_orders.database import Database
from prunella_orders.load import run as load_run
from prunella_orders.settings import Settings

_FIGURES = """
WITH mine AS (
    SELECT received_at, closed_at, closed_at - received_at AS taken,
        received_at < $3 AND coalesce(closed_at > $2, true) AS met
    FROM requests LEFT JOIN orders ON id = order_id WHERE starts_with(idempotency_key, $1) AND accepted
)
SELECT count(*) FILTER (WHERE met) AS in_flight, count(closed_at) AS ended,
    max(taken) FILTER (WHERE met) AS longest,
    percentile_disc(0.99) WITHIN GROUP (ORDER BY taken) FILTER (WHERE NOT met) AS p99
FROM mine
"""


@dataclass(frozen=True)
class Figures:
    """`in_flight` orders met the fault, of which one took `longest` seconds; 99 in 100 of the others `p99` at most."""

    in_flight: int
    ended: int
    longest: float
    p99: float
    errors: tuple[str, ...]


async def judge(settings: Settings, name: str, began: datetime, over: datetime) -> Figures:
    """Wait for the end of all orders whose keys begin with `name`, and judge those of the fault between two times."""
    database = Database(settings.database_url.get_secret_value(), "orders")
    try:
        await load_run.wait_for_end(database, name, PATIENCE_SECONDS)
        audit = await load_run.settle(database, settings)
        async with database.transaction() as session:
            row = await session.row(_FIGURES, name, began, over)
    finally:
        await database.close()
    assert row is not None
    longest, p99 = (row[key].total_seconds() if row[key] is not None else 0.0 for key in ("longest", "p99"))
    return Figures(row["in_flight"], row["ended"], longest, p99, tuple(audit.errors))
