"""The values of the domain. They are payloads of workflows: new fields need a default. Amounts are in cents."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

Text = Annotated[str, Field(min_length=1, max_length=200)]
Cents = Annotated[int, Field(gt=0, le=100_000_000)]

MOST_LINES = 50


class Value(BaseModel):
    """A value that never changes."""

    model_config = ConfigDict(frozen=True)


class Line(Value):
    """So many pieces of an article."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    article: Text
    quantity: int = Field(ge=1, le=1000)


class OrderRequest(Value):
    """An order as a customer sends it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    customer: Text
    email: str = Field(pattern=r"^[^@\s]+@[^@\s]+$", max_length=200)
    address: Text
    card: Text = Field(description="a token of the payment service; `declined` is refused")
    lines: tuple[Line, ...]

    @field_validator("lines")
    @classmethod
    def _each_article_once(cls, lines: tuple[Line, ...]) -> tuple[Line, ...]:
        if not 1 <= len(lines) <= MOST_LINES:
            raise ValueError(f"1 to {MOST_LINES} lines are required")
        if len({line.article for line in lines}) < len(lines):
            raise ValueError("each article may be there once")
        return lines


class Order(OrderRequest):
    """An accepted order: it has an id and a price."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    total_cents: Cents


class Step(StrEnum):
    """The steps of an order."""

    VALIDATE = "validate"
    APPROVE = "approve"
    RESERVE = "deduct_stock"
    PAY = "pay"
    CREATE = "create_order"
    MAIL = "send_mail"
    SHIP = "ship"
    CLOSE = "close"


class Status(StrEnum):
    """The state of an order. All but the first are final."""

    PROCESSING = "processing"
    SHIPPED = "shipped"
    CANCELLED = "cancelled"
    """The customer cancelled."""
    REJECTED = "rejected"
    """It was not approved, there is not enough stock, or the payment was declined."""
    REFUNDED = "refunded"
    """It was paid and could not be completed."""


class Checkpoint(Value):
    """A step that is done."""

    step: Step
    at: datetime
    note: str = ""


class OrderState(Value):
    """The progress of an order: the answer of the query `getState`."""

    step: Step
    status: Status
    items: tuple[Line, ...]
    checkpoints: tuple[Checkpoint, ...]


class OrderResult(Value):
    """The end of an order."""

    order_id: str
    status: Status
    payment_id: str = ""
    tracking_id: str = ""
    reason: str = ""


class Closing(Value):
    """An order and its end."""

    order: Order
    result: OrderResult


class Validation(Value):
    """An order that is valid, and whether a person has to approve it."""

    needs_approval: bool


class Payment(Value):
    """A payment that was made."""

    payment_id: str


class Shipment(Value):
    """A parcel that is on its way."""

    tracking_id: str


class Letter(StrEnum):
    """The mails to customers."""

    CONFIRMED = "confirmed"
    REVERSED = "reversed"


class Mail(Value):
    """A mail to the customer of an order."""

    order: Order
    letter: Letter


class Report(Value):
    """The orders that ended on a day (UTC), by status, and what the shipped ones brought."""

    day: date
    shipped: int
    cancelled: int
    rejected: int
    refunded: int
    revenue_cents: int
