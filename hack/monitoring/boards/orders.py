"""The order application of examples/orders: how many orders, how they end, how long they take, what waits and fails."""

from boards.grafana import GREEN, RED, YELLOW, Dashboard, Panel, Row
from boards.queries import Query

P99_SECONDS, SHIPPED_SHARE, WAITING_TASKS = 3, 0.8, 100
"""Drawn as lines or colours: the longest time for 99 orders in 100, and where a person should look."""

_QUEUE = 'task_queue="order-task-queue"'
_REVERSALS = f'temporal_activity_started_total{{{_QUEUE},activity_type=~"return_stock|refund|recall"}}'
_SHIPPED, _NOT_SHIPPED = '{status="shipped"}', '{status!="shipped"}'


def _ended(over: str, select: str = "") -> str:
    return f"sum(increase(orders_closed_total{select}[{over}]))"


def _quantile(share: float, histogram: str, over: str, by: str = "") -> str:
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) (rate({histogram}_bucket[{over}])))"


def _rate(counter: str, *labels: str, name: str = "") -> Query:
    legend = " ".join((name, *(f"{{{{{label}}}}}" for label in labels))).strip()
    grouped = f"sum by ({', '.join(labels)}) " if labels else "sum"
    return Query(f"{grouped}(rate({counter}[$__rate_interval]))", legend)


_NOW = Row(
    "Now, and in the chosen time",
    (
        Panel("Ended orders", (Query(_ended("$__range")),), kind="stat", decimals=0, width=5, height=5),
        Panel(
            "Shipped share",
            (Query(f"{_ended('$__range', _SHIPPED)} / {_ended('$__range')}"),),
            kind="stat",
            unit="percentunit",
            about="The others were rejected, cancelled or refunded.",
            width=5,
            height=5,
            base=RED,
            steps=((SHIPPED_SHARE, GREEN),),
            most=1,
        ),
        Panel(
            "99th percentile of the time",
            (Query(_quantile(0.99, "orders_seconds", "$__range")),),
            kind="stat",
            unit="s",
            about="From the acceptance of an order to its end; approvals by a person included.",
            width=5,
            height=5,
            steps=((P99_SECONDS, RED),),
        ),
        Panel(
            "Reversed steps",
            (Query(f"sum(increase({_REVERSALS}[$__range]))"),),
            kind="stat",
            decimals=0,
            about="Attempts of return_stock, refund and recall.",
            width=5,
            height=5,
        ),
        Panel(
            "Waiting tasks",
            (Query(f"sum(max by (kind) (temporal_task_queue_depth{{{_QUEUE}}}))"),),
            kind="stat",
            now=True,
            width=4,
            height=5,
            steps=((WAITING_TASKS, YELLOW),),
        ),
    ),
)
_ORDERS = Row(
    "Orders",
    (
        Panel(
            "Accepted and ended per second",
            (_rate("orders_accepted_total", name="accepted"), _rate("orders_closed_total", "status")),
            width=8,
        ),
        Panel(
            "Time of an order",
            (
                Query(_quantile(0.5, "orders_seconds", "$__rate_interval"), "half"),
                Query(_quantile(0.99, "orders_seconds", "$__rate_interval"), "99 in 100"),
            ),
            unit="s",
            about="The dashed line is the target of 3 s.",
            width=8,
            steps=((P99_SECONDS, RED),),
            line=True,
        ),
        Panel(
            "Orders that were not shipped, in 15 minutes",
            (Query(f"sum by (status) (increase(orders_closed_total{_NOT_SHIPPED}[15m]))", "{{status}}"),),
            width=8,
        ),
    ),
)
_SAGA = Row(
    "Steps and reversals",
    (
        Panel("Reversals per second", (_rate(_REVERSALS, "activity_type"),), width=8),
        Panel(
            "Failed attempts per second",
            (_rate(f"temporal_activity_failed_total{{{_QUEUE}}}", "activity_type"),),
            about="Of a step that is retried, and of a card that is declined or a parcel that is refused.",
            width=8,
        ),
        Panel(
            "Workflows that failed in 15 minutes",
            (
                Query(
                    f"sum by (workflow_type) (increase(temporal_workflow_failed_total{{{_QUEUE}}}[15m]))",
                    "{{workflow_type}}",
                ),
            ),
            about="Something could not be reversed within a day: a person has to look.",
            width=8,
        ),
    ),
)
_LOAD = Row(
    "Backlog and API",
    (
        Panel(
            "Waiting tasks",
            (Query(f"max by (kind) (temporal_task_queue_depth{{{_QUEUE}}})", "{{kind}}"),),
            about="By Temporal's estimate. The dashed line is the autoscaler's share for one worker.",
            width=8,
            steps=((WAITING_TASKS, RED),),
            line=True,
        ),
        Panel("Requests per second", (_rate("orders_http_requests_total", "route", "code"),), width=8),
        Panel(
            "99th percentile of an answer",
            (Query(_quantile(0.99, "orders_http_seconds", "$__rate_interval", "route"), "{{route}}"),),
            unit="s",
            width=8,
        ),
    ),
)

BOARD = Dashboard(
    "prunella-orders",
    "Orders",
    "The order application: rate, ends, times, reversals, failures and backlog.",
    (_NOW, _ORDERS, _SAGA, _LOAD),
    since="now-1h",
)
