"""The activities of an order. Each may run twice and has its effect once: by the key of its step."""

import asyncio
from collections.abc import Callable
from datetime import date
from email.message import EmailMessage
from typing import Any

from temporalio import activity

from prunella_operator import clock
from prunella_operator.observability.tracing import Call
from prunella_orders import mail, metrics
from prunella_orders.client import ServiceClient
from prunella_orders.database import Database
from prunella_orders.model import Closing, Mail, Order, Payment, Report, Shipment, Validation
from prunella_orders.settings import Settings
from prunella_orders.stores.orders import Orders
from prunella_orders.stores.reports import Reports
from prunella_orders.stores.stock import Stock
from prunella_workflows.contracts.notifications import NotifyRequest
from prunella_workflows.model.incident_status import Delivery, DeliveryResult
from prunella_workflows.patterns import idempotency_key, translate_errors


class OrderActivities:
    """The steps of an order, and what reverses them."""

    def __init__(self, settings: Settings, database: Database, payments: ServiceClient, carrier: ServiceClient) -> None:
        self._settings = settings
        self._stock, self._orders, self._reports = Stock(database), Orders(database), Reports(database)
        self._payments, self._carrier = payments, carrier

    @property
    def all(self) -> list[Callable[..., Any]]:
        """All activities, for a worker."""
        steps = (self.validate, self.deduct_stock, self.pay, self.create_order, self.send_mail, self.ship)
        others = (self.return_stock, self.refund, self.recall, self.close_order, self.notify)
        return [*steps, *others, self.write_report, self.mail_report]

    @activity.defn
    async def validate(self, order: Order) -> Validation:
        """Check that all articles exist and that the price still holds, and whether a person has to approve it."""
        with translate_errors():
            await self._stock.validate(order)
        return Validation(needs_approval=order.total_cents > self._settings.approval_limit_cents)

    @activity.defn
    async def notify(self, request: NotifyRequest) -> Delivery:
        """Ask the approver by mail: the channel of the library's approvals."""
        with translate_errors():
            await self._send(mail.question(request, self._settings))
        return Delivery(channel=request.channel, kind="mail", result=DeliveryResult.DELIVERED, at=clock.now())

    @activity.defn
    async def deduct_stock(self, order: Order) -> None:
        """Take the order's pieces from the stock."""
        with translate_errors():
            await self._stock.reserve(idempotency_key(), order)

    @activity.defn
    async def return_stock(self, order: Order) -> None:
        """Reverse `deduct_stock`."""
        with translate_errors():
            await self._stock.release(idempotency_key(), order)

    @activity.defn
    async def pay(self, order: Order) -> Payment:
        """Charge the customer's card."""
        body = {"order_id": order.id, "amount_cents": order.total_cents, "card": order.card}
        with translate_errors():
            return Payment.model_validate(await self._payments.post("/payments", idempotency_key(), body))

    @activity.defn
    async def refund(self, order: Order) -> None:
        """Reverse `pay`."""
        with translate_errors():
            await self._payments.post("/refunds", idempotency_key(), {"order_id": order.id})

    @activity.defn
    async def create_order(self, order: Order) -> None:
        """Create the order in the shop's books."""
        with translate_errors():
            await self._orders.create(order)

    @activity.defn
    async def send_mail(self, letter: Mail) -> None:
        """Send a mail, once but for a crash between the mail server's answer and our note of it."""
        with translate_errors():
            if not await self._orders.was_sent(letter):
                await self._send(mail.letter(letter, self._settings))
                await self._orders.note_sent(letter)

    @activity.defn
    async def ship(self, order: Order) -> Shipment:
        """Give the parcel to the carrier."""
        body = {"order_id": order.id, "address": order.address}
        with translate_errors():
            return Shipment.model_validate(await self._carrier.post("/shipments", idempotency_key(), body))

    @activity.defn
    async def recall(self, order: Order) -> None:
        """Reverse `ship`, whose outcome is not known."""
        with translate_errors():
            await self._carrier.post("/recalls", idempotency_key(), {"order_id": order.id})

    @activity.defn
    async def close_order(self, closing: Closing) -> None:
        """Write the end of the order, and count it."""
        with translate_errors():
            seconds = await self._orders.close(closing)
        if seconds is not None:
            metrics.CLOSED.labels(closing.result.status).inc()
            metrics.ORDER_SECONDS.observe(seconds)

    @activity.defn
    async def write_report(self, day: date) -> Report:
        """Write the report of a day."""
        with translate_errors():
            return await self._reports.write(day)

    @activity.defn
    async def mail_report(self, report: Report) -> None:
        """Mail a report."""
        with translate_errors():
            await self._send(mail.report(report, self._settings))

    async def _send(self, message: EmailMessage) -> None:
        with Call("smtp send", {"server.address": self._settings.smtp_host}):
            await asyncio.to_thread(mail.send, message, self._settings)
