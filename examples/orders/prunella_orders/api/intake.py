"""Acceptance of orders: a request is kept under its key, and its workflow is started once."""

from temporalio.client import Client
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError

from prunella_operator.temporal import rpc
from prunella_orders import metrics
from prunella_orders.errors import UnknownArticle
from prunella_orders.http import ApiError
from prunella_orders.model import Order, OrderRequest, Status
from prunella_orders.names import CUSTOMER, STATUS, TASK_QUEUE, TOTAL, workflow_id
from prunella_orders.stores.requests import Requests
from prunella_orders.workflow import OrderWorkflow

_TIMEOUT_SECONDS = 10.0


class Intake:
    """Accepts orders."""

    def __init__(self, client: Client, requests: Requests) -> None:
        self._client, self._requests = client, requests

    async def accept(self, key: str, request: OrderRequest) -> Order:
        """Start the order of a request; a repeated one gets the first one's order.

        A process that dies in between loses nothing: the customer has no answer, and asks again with the key.

        Raises:
            ApiError: an article is unknown, or the key belongs to another request.
            Unavailable: the database or Temporal is away.
        """
        try:
            kept = await self._requests.keep(key, request)
        except UnknownArticle as error:
            raise ApiError(422, _name(error, request)) from error
        if OrderRequest.model_validate(kept.order.model_dump(exclude={"id", "total_cents"})) != request:
            raise ApiError(422, {"Idempotency-Key": "it was used for another request"})
        if not kept.accepted:
            await self._start(kept.order)
            await self._requests.accept(kept.order.id)
        return kept.order

    async def _start(self, order: Order) -> None:
        attributes = TypedSearchAttributes(
            [
                SearchAttributePair(STATUS, Status.PROCESSING.value),
                SearchAttributePair(CUSTOMER, order.customer),
                SearchAttributePair(TOTAL, order.total_cents),
            ]
        )
        start = self._client.start_workflow(
            OrderWorkflow.run,
            order,
            id=workflow_id(order.id),
            task_queue=TASK_QUEUE,
            search_attributes=attributes,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        )
        try:
            await rpc.call(start, _TIMEOUT_SECONDS)
        except WorkflowAlreadyStartedError:  # it has ended already
            return
        metrics.ACCEPTED.inc()


def _name(error: UnknownArticle, request: OrderRequest) -> dict[str, str]:
    return {
        f"lines.{number}.article": f"unknown article: {line.article}"
        for number, line in enumerate(request.lines)
        if line.article in error.articles
    }
