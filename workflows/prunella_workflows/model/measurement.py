"""Measurements: what a metrics source answers, or the reason why it has no answer. No data is never a number."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from prunella_workflows.model.base import Value


class Why(StrEnum):
    """Why there is no number."""

    NOT_CONFIGURED = "NotConfigured"
    NOT_A_NUMBER = "NotANumber"
    EMPTY = "Empty"
    SEVERAL = "Several"
    STALE = "Stale"
    PARTIAL = "Partial"
    SLOW = "Slow"
    UNREACHABLE = "Unreachable"
    REFUSED = "Refused"
    UNREADABLE = "Unreadable"


class NoData(Value):
    """There is no number, and why; the message is for people."""

    why: Why
    message: str

    def __str__(self) -> str:
        return self.message


class Reading(Value):
    """A number and when it was so. It may be infinite; in a Series it may also be NaN."""

    value: float
    at: datetime


Answer = Reading | NoData


class Series(Value):
    """Readings of one thing, oldest first; at least one."""

    labels: dict[str, str] = Field(default_factory=dict)
    readings: tuple[Reading, ...]

    @property
    def last(self) -> Reading:
        """The newest reading."""
        return self.readings[-1]
