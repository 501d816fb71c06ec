"""One run: load, the end of all orders, the times they took, and the books."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from prunella_operator import clock
from prunella_orders import books
from prunella_orders.database import Database
from prunella_orders.load.sender import Sender, Sent
from prunella_orders.settings import Settings

_POLL_SECONDS = 1.0
_CALLBACK_SECONDS = 30.0
_OPEN = """
SELECT count(*) AS open FROM requests LEFT JOIN orders ON id = order_id
WHERE starts_with(idempotency_key, $1) AND accepted AND closed_at IS NULL
"""
_TIMES = """
SELECT count(*) AS orders,
    coalesce(percentile_disc(0.5) WITHIN GROUP (ORDER BY closed_at - received_at), interval '0') AS p50,
    coalesce(percentile_disc(0.99) WITHIN GROUP (ORDER BY closed_at - received_at), interval '0') AS p99,
    coalesce(max(closed_at - received_at), interval '0') AS longest,
    coalesce(max(closed_at) - min(received_at), interval '0') AS whole
FROM requests JOIN orders ON id = order_id WHERE starts_with(idempotency_key, $1) AND closed_at IS NOT NULL
"""


@dataclass(frozen=True)
class Options:
    """Orders a second, for so many seconds; then `wait` seconds at most for their end."""

    url: str
    rate: float
    seconds: float
    wait: float = 600.0


@dataclass(frozen=True)
class Outcome:
    """The requests, the end and the times (in seconds) of their orders, and the books."""

    sent: Sent
    orders: int
    times: Mapping[str, float]
    audit: books.Audit

    @property
    def is_right(self) -> bool:
        """True if every order that was accepted has ended, and the books are right."""
        return not self.audit.errors and self.orders == len(self.sent.accepted)

    @property
    def rate(self) -> float:
        """Orders that ended in a second, from the first request to the last end."""
        return self.orders / self.times["whole"] if self.times["whole"] else 0.0


async def run(settings: Settings, options: Options) -> Outcome:
    """Send orders and judge what came of them."""
    database = Database(settings.database_url.get_secret_value(), "orders")
    name = f"load-{clock.now():%Y%m%dT%H%M%S}-"
    try:
        sent = await Sender(options.url, name, patience=options.wait).send(options.rate, options.seconds)
        await wait_for_end(database, name, options.wait)
        audit = await settle(database, settings)
        async with database.transaction() as session:
            row = await session.row(_TIMES, name)
    finally:
        await database.close()
    assert row is not None
    times = {key: row[key].total_seconds() for key in ("p50", "p99", "longest", "whole")}
    return Outcome(sent, row["orders"], times, audit)


async def wait_for_end(database: Database, name: str, seconds: float) -> None:
    """Wait until all orders of a run have ended, at most so long."""
    for _ in range(round(seconds / _POLL_SECONDS)):
        async with database.transaction() as session:
            row = await session.row(_OPEN, name)
        if row and not row["open"]:
            return
        await asyncio.sleep(_POLL_SECONDS)


async def settle(database: Database, settings: Settings) -> books.Audit:
    """Audit the books; callbacks may be on their way for some seconds."""
    deadline = clock.monotonic() + _CALLBACK_SECONDS
    while True:
        audit = books.audit(await books.fetch(database, settings.payments_url, settings.carrier_url))
        if not audit.errors or clock.monotonic() > deadline:
            return audit
        await asyncio.sleep(_POLL_SECONDS)


def show(outcome: Outcome) -> None:
    """Print the figures as a table, and each error of the books."""
    sent, times, console = outcome.sent, outcome.times, Console()
    table = Table("orders", "", title="The books are right" if outcome.is_right else "The books are WRONG")
    table.add_row("accepted", str(len(sent.accepted)))
    table.add_row("ended", str(outcome.orders))
    table.add_row("lost", str(len(sent.accepted) - outcome.orders))
    table.add_row("requests repeated", str(sent.repeated))
    table.add_row("requests without answer", str(sent.unanswered))
    table.add_row("ended a second", f"{outcome.rate:.1f}")
    for key in ("p50", "p99", "longest"):
        table.add_row(key, f"{times[key]:.2f} s")
    for status, count in sorted(outcome.audit.statuses.items()):
        table.add_row(f"all orders: {status}", str(count))
    console.print(table)
    for error in outcome.audit.errors:
        console.print(error, style="red")
