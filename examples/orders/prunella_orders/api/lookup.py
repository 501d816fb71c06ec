"""Orders as customers see them: from the database, with the steps from their workflows while Temporal knows them."""

from datetime import timedelta
from typing import Any

from temporalio.client import Client
from temporalio.service import RPCError

from prunella_operator.temporal import rpc
from prunella_orders.http import ApiError
from prunella_orders.model import OrderState, Status
from prunella_orders.names import workflow_id
from prunella_orders.stores.orders import Orders
from prunella_orders.workflow import OrderWorkflow
from prunella_workflows.model.errors import NotFound, Unavailable

_TIMEOUT_SECONDS = 3.0
_MOST = 100


class Lookup:
    """Reads orders."""

    def __init__(self, client: Client, orders: Orders) -> None:
        self._client, self._orders = client, orders

    async def order(self, order_id: str) -> dict[str, Any]:
        """One order, with its current step and the history of its steps; both are empty while no worker answers.

        Raises:
            ApiError: there is no such order.
        """
        row = await self._orders.find(order_id)
        if row is None:
            raise ApiError(404, {"order_id": "there is no such order"})
        state = await self.state(order_id)
        steps = state.model_dump(mode="json", include={"step", "items", "checkpoints"}) if state else {}
        return {**{name: value for name, value in row.items() if value}, **steps}

    async def state(self, order_id: str) -> OrderState | None:
        """The progress of an order; None if no worker answers, or Temporal does not know the order any more."""
        handle = self._client.get_workflow_handle(workflow_id(order_id))
        query = handle.query(OrderWorkflow.state, rpc_timeout=timedelta(seconds=_TIMEOUT_SECONDS))
        try:
            return await rpc.call(query, _TIMEOUT_SECONDS + 1)
        except (NotFound, Unavailable):
            return None

    async def search(self, status: Status | None, customer: str | None) -> list[dict[str, str]]:
        """The latest orders of a status or a customer, by search attributes."""
        wanted = {"OrderStatus": status, "OrderCustomer": customer}
        terms = [f"{name} = {_quoted(value)}" for name, value in wanted.items() if value]
        query = " AND ".join(["WorkflowType = 'OrderWorkflow'", *terms])
        found = self._client.list_workflows(query, limit=_MOST)
        try:
            return [
                {"id": one.id.removeprefix(workflow_id("")), "started_at": one.start_time.isoformat()}
                async for one in found
            ]
        except RPCError as error:
            raise rpc.TemporalUnavailable(error.message) from error


def _quoted(text: str) -> str:
    """A string of Temporal's query language, in which a backslash cannot be written safely."""
    if "\\" in text:
        raise ApiError(422, {"customer": "a backslash cannot be searched for"})
    return "'" + text.replace("'", "''") + "'"
