"""The routes of the API."""

import hmac
from typing import Literal
from uuid import UUID

from aiohttp import web
from pydantic import Field, SecretStr
from temporalio.client import Client

from prunella_operator.temporal import rpc
from prunella_orders.api.intake import Intake
from prunella_orders.api.lookup import Lookup
from prunella_orders.database import Database
from prunella_orders.http import ApiError, idempotency_key, read
from prunella_orders.model import OrderRequest, Status, Step, Text, Value
from prunella_orders.names import approval_id, workflow_id
from prunella_orders.settings import Settings
from prunella_orders.stores.orders import Orders
from prunella_orders.stores.receipts import Callback, Receipts
from prunella_orders.stores.requests import Requests
from prunella_orders.workflow import OrderWorkflow
from prunella_workflows.model.errors import NotFound
from prunella_workflows.patterns import ApprovalAnswer, ApprovalWorkflow

_TIMEOUT_SECONDS = 5.0


class Answer(Value):
    """The answer of a person to the question whether an order is approved."""

    decision: Literal["approve", "reject"]
    by: Text
    reason: str = Field("", max_length=1000)


class Api:
    """The handlers of requests."""

    def __init__(self, settings: Settings, client: Client, database: Database) -> None:
        self._settings = settings
        self._client = client
        self._intake = Intake(client, Requests(database))
        self._lookup = Lookup(client, Orders(database))
        self._receipts = Receipts(database)

    def add_routes(self, app: web.Application) -> None:
        """Add the routes to an application."""
        app.router.add_post("/orders", self._post)
        app.router.add_get("/orders", self._search)
        app.router.add_get("/orders/{id}", self._get)
        app.router.add_post("/orders/{id}/cancel", self._cancel)
        app.router.add_post("/orders/{id}/approval", self._approval)
        app.router.add_post("/payments/callback", self._callback)

    async def _post(self, request: web.Request) -> web.Response:
        key = idempotency_key(request)
        order = await self._intake.accept(key, await read(request, OrderRequest))
        answer = {"id": order.id, "total_cents": order.total_cents}
        return web.json_response(answer, status=202, headers={"Location": f"/orders/{order.id}"})

    async def _get(self, request: web.Request) -> web.Response:
        return web.json_response(await self._lookup.order(_order_id(request)))

    async def _search(self, request: web.Request) -> web.Response:
        status = request.query.get("status")
        if status and status not in set(Status):
            raise ApiError(422, {"status": f"expected one of: {', '.join(Status)}"})
        found = await self._lookup.search(Status(status) if status else None, request.query.get("customer"))
        return web.json_response({"orders": found})

    async def _cancel(self, request: web.Request) -> web.Response:
        """Ask the workflow; GET shows what came of it, as the carrier may be faster."""
        order_id = _order_id(request)
        order = await self._lookup.order(order_id)
        if order["status"] != Status.PROCESSING or order.get("step") in (Step.SHIP, Step.CLOSE):
            raise ApiError(409, {"order_id": f"too late: the order is {order['status']}, step {order.get('step')}"})
        handle = self._client.get_workflow_handle(workflow_id(order_id))
        await rpc.call(handle.signal(OrderWorkflow.cancel), _TIMEOUT_SECONDS)
        return web.json_response({"id": order_id}, status=202)

    async def _approval(self, request: web.Request) -> web.Response:
        """Pass on an answer; the first one counts."""
        _authorise(request, self._settings.approval_token)
        order_id, answer = _order_id(request), await read(request, Answer)
        signal = {"approve": ApprovalWorkflow.approve, "reject": ApprovalWorkflow.reject}[answer.decision]
        handle = self._client.get_workflow_handle(approval_id(order_id))
        try:
            await rpc.call(handle.signal(signal, ApprovalAnswer(by=answer.by, reason=answer.reason)), _TIMEOUT_SECONDS)
        except NotFound:
            raise ApiError(409, {"order_id": "it waits for no approval"}) from None
        return web.json_response({"id": order_id}, status=202)

    async def _callback(self, request: web.Request) -> web.Response:
        """Book an event of the payment service; a repeated one gets the first booking again."""
        _authorise(request, self._settings.callback_token)
        callback = await read(request, Callback)
        booking = await self._receipts.book(callback)
        if booking is None:
            raise ApiError(422, {"order_id": "there is no such order"})
        if booking["amount_cents"] != callback.amount_cents:
            raise ApiError(422, {"amount_cents": f"the event was booked with {booking['amount_cents']}"})
        return web.json_response({name: str(value) for name, value in booking.items()})


def _authorise(request: web.Request, token: SecretStr) -> None:
    given = request.headers.get("Authorization", "")
    if not hmac.compare_digest(given.encode(), f"Bearer {token.get_secret_value()}".encode()):
        raise ApiError(401, {"Authorization": "expected Bearer and the token"})


def _order_id(request: web.Request) -> str:
    try:
        return str(UUID(request.match_info["id"]))
    except ValueError:
        raise ApiError(404, {"order_id": "there is no such order"}) from None
