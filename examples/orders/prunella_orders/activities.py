"""The activities of an order. Each may run twice and has its effect once: by the key of its step."""

import asyncio
from collections.abc import Callable
from typing import Any

from temporalio import activity

from prunella_operator.observability.tracing import Call
from prunella_orders import mail, metrics
from prunella_orders.client import ServiceClient
from prunella_orders.model import Closing, Mail, Order, Payment, Shipment
from prunella_orders.settings import Settings
from prunella_orders.stores.orders import Orders
from prunella_orders.stores.stock import Stock
from prunella_workflows.patterns import idempotency_key, translate_errors


class OrderActivities:
    """The steps of an order, and what reverses them."""

    def __init__(
        self, settings: Settings, stock: Stock, orders: Orders, payments: ServiceClient, carrier: ServiceClient
    ) -> None:
        self._settings = settings
        self._stock, self._orders = stock, orders
        self._payments, self._carrier = payments, carrier

    @property
    def all(self) -> list[Callable[..., Any]]:
        """All activities, for a worker."""
        names = (self.validate, self.deduct_stock, self.return_stock, self.pay, self.refund, self.create_order)
        return [*names, self.send_mail, self.ship, self.recall, self.close_order]

    @activity.defn
    async def validate(self, order: Order) -> None:
        """Check that all articles exist and that the price still holds."""
        with translate_errors():
            await self._stock.validate(order)

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
                message = mail.compose(letter, self._settings.mail_from)
                with Call("smtp send", {"server.address": self._settings.smtp_host}):
                    await asyncio.to_thread(mail.send, message, self._settings)
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
