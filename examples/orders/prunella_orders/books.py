"""The books: stock, orders, payments and parcels must agree, whatever failed in between."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from prunella_orders.database import Database
from prunella_orders.model import Status

_ORDERS = """
SELECT order_id::text AS id, requests.total_cents, accepted, coalesce(status, 'processing') AS status
FROM requests LEFT JOIN orders ON orders.id = order_id
"""
_HELD = "SELECT DISTINCT order_id::text FROM reservations WHERE held"
_STOCK = """
SELECT article, supplied - available AS gone, coalesce(sum(quantity) FILTER (WHERE held), 0) AS held
FROM stock LEFT JOIN reserved_lines USING (article) LEFT JOIN reservations USING (key) GROUP BY article
"""
_RECEIPTS = "SELECT order_id::text, kind, amount_cents FROM receipts"

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Books:
    """All rows that must agree. `held`: the orders whose stock is reserved or sent."""

    orders: Rows
    held: frozenset[str]
    stock: Rows
    receipts: Rows
    payments: Rows
    parcels: Rows


@dataclass
class Audit:
    """The orders by their status, and everything that is wrong."""

    statuses: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)


async def fetch(database: Database, payments_url: str, carrier_url: str) -> Books:
    """Read the books of the shop, and those of the services over HTTP."""
    async with database.transaction() as session:
        orders, held, stock, receipts = [
            [dict(row) for row in await session.rows(one)] for one in (_ORDERS, _HELD, _STOCK, _RECEIPTS)
        ]
    async with aiohttp.ClientSession(raise_for_status=True) as http:
        async with http.get(f"{payments_url}/payments") as answer:
            payments = await answer.json()
        async with http.get(f"{carrier_url}/shipments") as answer:
            parcels = await answer.json()
    return Books(orders, frozenset(row["order_id"] for row in held), stock, receipts, payments, parcels)


def audit(books: Books) -> Audit:
    """Find every order that is neither complete nor reversed, and all stock or money that is lost."""
    payments, receipts, parcels = (_by_order(rows) for rows in (books.payments, books.receipts, books.parcels))
    found = Audit()
    for order in books.orders:
        mine = order["id"]
        found.statuses[order["status"]] += 1
        paid = [row for row in payments[mine] if row["state"] == "captured"]
        sent = [row for row in parcels[mine] if row["state"] == "sent"]
        faults = [*_faults(order, paid, sent, held=mine in books.held), *_unbooked(payments[mine], receipts[mine])]
        found.errors += [f"order {mine} ({order['status']}): {fault}" for fault in faults]
    known = {order["id"] for order in books.orders}
    found.errors += [f"a payment of the unknown order {one}" for one in payments.keys() - known]
    found.errors += [
        f"stock of {row['article']}: {row['gone']} are gone, and orders hold {row['held']}"
        for row in books.stock
        if row["gone"] != row["held"]
    ]
    return found


def _faults(order: Mapping[str, Any], paid: Rows, sent: Rows, *, held: bool) -> Iterator[str]:
    complete = order["status"] == Status.SHIPPED
    if order["accepted"] and order["status"] == Status.PROCESSING:
        yield "neither complete nor reversed"
    if [row["amount_cents"] for row in paid] != ([order["total_cents"]] if complete else []):
        due = order["total_cents"] if complete else 0
        yield f"{len(paid)} payments of {sum(row['amount_cents'] for row in paid)} instead of {due}"
    if len(sent) != complete:
        yield f"{len(sent)} parcels"
    if held != complete:
        yield "its stock was not returned" if held else "its stock was not taken"


def _unbooked(payments: Rows, receipts: Rows) -> Iterator[str]:
    """Compare our own account with that of the payment service."""
    due = Counter(
        (kind, row["amount_cents"])
        for row in payments
        for kind in {"captured": ("captured",), "refunded": ("captured", "refunded")}.get(row["state"], ())
    )
    if due != Counter((row["kind"], row["amount_cents"]) for row in receipts):
        yield f"{len(receipts)} receipts do not match the payments"


def _by_order(rows: Iterable[dict[str, Any]]) -> defaultdict[str, Rows]:
    found: defaultdict[str, Rows] = defaultdict(list)
    for row in rows:
        found[row["order_id"]].append(row)
    return found
