"""The names that the API and the worker agree on: task queue, ids of workflows, search attributes."""

from temporalio.common import SearchAttributeKey

TASK_QUEUE = "order-task-queue"

STATUS = SearchAttributeKey.for_keyword("OrderStatus")
CUSTOMER = SearchAttributeKey.for_keyword("OrderCustomer")
TOTAL = SearchAttributeKey.for_int("OrderTotalCents")


def workflow_id(order_id: str) -> str:
    """The id of an order's workflow."""
    return f"order-{order_id}"
