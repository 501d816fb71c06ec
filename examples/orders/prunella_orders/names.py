"""The names that the API and the worker agree on: task queue, ids of workflows, search attributes."""

from temporalio.common import SearchAttributeKey

TASK_QUEUE = "order-task-queue"
REPORT = "nightly-report"
"""The id of the schedule of the report."""

STATUS = SearchAttributeKey.for_keyword("OrderStatus")
CUSTOMER = SearchAttributeKey.for_keyword("OrderCustomer")
TOTAL = SearchAttributeKey.for_int("OrderTotalCents")


def workflow_id(order_id: str) -> str:
    """The id of an order's workflow."""
    return f"order-{order_id}"


def approval_id(order_id: str) -> str:
    """The id of the workflow that waits for the approval of an order."""
    return f"{workflow_id(order_id)}-approval"
