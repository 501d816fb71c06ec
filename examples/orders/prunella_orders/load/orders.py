"""The orders that are sent: a fixed mix, so that two runs of the same length are the same."""

from prunella_orders.model import Line, OrderRequest

GOOD = OrderRequest(
    customer="load",
    email="load@example.com",
    address="1 Main Street",
    card="visa",
    lines=(Line(article="apple", quantity=2), Line(article="bread", quantity=1)),
)
_DECLINED = GOOD.model_copy(update={"card": "declined"})
_UNDELIVERABLE = GOOD.model_copy(update={"address": "nowhere"})
_OUT_OF_STOCK = GOOD.model_copy(update={"lines": (Line(article="unicorn", quantity=1),)})
_RARE = {7: _DECLINED, 17: _UNDELIVERABLE, 23: _OUT_OF_STOCK}
_PERIOD = 25
_CANCELLED = 13
"""The order of each period that its customer cancels at once."""


def request(number: int) -> OrderRequest:
    """The order with a number: 3 of 25 cannot be completed."""
    return _RARE.get(number % _PERIOD, GOOD)


def is_cancelled(number: int) -> bool:
    """True if the customer cancels this order as soon as it is accepted."""
    return number % _PERIOD == _CANCELLED
