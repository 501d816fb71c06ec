"""The audit finds each way in which the books can be wrong."""

from dataclasses import replace

import pytest

from prunella_orders.books import Books, audit

ORDERS = [
    {"id": "sent", "total_cents": 100, "accepted": True, "status": "shipped"},
    {"id": "back", "total_cents": 200, "accepted": True, "status": "refunded"},
]
PAYMENTS = [
    {"order_id": "sent", "amount_cents": 100, "state": "captured"},
    {"order_id": "back", "amount_cents": 200, "state": "refunded"},
]
RECEIPTS = [
    {"order_id": "sent", "amount_cents": 100, "kind": "captured"},
    {"order_id": "back", "amount_cents": 200, "kind": "captured"},
    {"order_id": "back", "amount_cents": 200, "kind": "refunded"},
]
RIGHT = Books(
    orders=ORDERS,
    held=frozenset({"sent"}),
    stock=[{"article": "apple", "gone": 2, "held": 2}],
    receipts=RECEIPTS,
    payments=PAYMENTS,
    parcels=[{"order_id": "sent", "state": "sent"}, {"order_id": "back", "state": "void"}],
)


def test_right_books():
    assert audit(RIGHT).errors == []
    assert audit(RIGHT).statuses == {"shipped": 1, "refunded": 1}


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"orders": [{**ORDERS[0], "status": "processing"}, ORDERS[1]]}, "neither complete nor reversed"),
        ({"payments": [*PAYMENTS, PAYMENTS[0]]}, "2 payments of 200 instead of 100"),
        ({"payments": PAYMENTS[1:]}, "0 payments of 0 instead of 100"),
        ({"payments": [{**PAYMENTS[0], "amount_cents": 99}, PAYMENTS[1]]}, "1 payments of 99 instead of 100"),
        ({"payments": [PAYMENTS[0], {**PAYMENTS[1], "state": "captured"}]}, "1 payments of 200"),
        ({"payments": [*PAYMENTS, {**PAYMENTS[0], "order_id": "other"}]}, "a payment of the unknown order other"),
        ({"parcels": []}, "0 parcels"),
        ({"parcels": [*RIGHT.parcels, {"order_id": "back", "state": "sent"}]}, "1 parcels"),
        ({"held": frozenset()}, "its stock was not taken"),
        ({"held": frozenset({"sent", "back"})}, "its stock was not returned"),
        ({"stock": [{"article": "apple", "gone": 3, "held": 2}]}, "stock of apple: 3 are gone, and orders hold 2"),
        ({"receipts": RECEIPTS[:2]}, "1 receipts do not match"),
        ({"receipts": [*RECEIPTS, RECEIPTS[0]]}, "2 receipts do not match"),
    ],
)
def test_wrong_books(change, error):
    assert any(error in found for found in audit(replace(RIGHT, **change)).errors)
