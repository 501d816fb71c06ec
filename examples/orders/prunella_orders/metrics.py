"""Metrics of the orders, beside those of Temporal and of workflows that Prunella's interceptors count."""

from prometheus_client import Counter, Histogram

from prunella_orders.model import Status

REQUESTS = Counter("orders_http_requests", "Requests to this service, by route and code.", ["route", "code"])
REQUEST_SECONDS = Histogram("orders_http_seconds", "From a request to its answer.", ["route"])
ACCEPTED = Counter("orders_accepted", "Orders whose workflow was started by this process.")
CLOSED = Counter("orders_closed", "Orders that ended, by their status.", ["status"])
ORDER_SECONDS = Histogram(
    "orders_seconds",
    "From the acceptance of an order to its end.",
    buckets=(0.1, 0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 30, 60, 120, 300, 600),
)


def expose() -> None:
    """Expose the end of orders at 0, so that `rate` and `increase` see the first one of each kind."""
    for status in set(Status) - {Status.PROCESSING}:
        CLOSED.labels(status)
