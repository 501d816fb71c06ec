"""Measurements: the result of a metrics source, or the reason why there is none. Missing data is never a number."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from prunella_workflows.model.base import Value


class Why(StrEnum):
    """Reasons for missing data."""

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
    """Missing data, with the reason; the message is for people."""

    why: Why
    message: str

    def __str__(self) -> str:
        return self.message


class Reading(Value):
    """A number and its time. It may be infinite; in a Series it may also be NaN."""

    value: float
    at: datetime


Answer = Reading | NoData


class Series(Value):
    """Readings of one time series, oldest first; at least one."""

    labels: dict[str, str] = Field(default_factory=dict)
    readings: tuple[Reading, ...]

    @property
    def last(self) -> Reading:
        """The latest reading."""
        return self.readings[-1]
