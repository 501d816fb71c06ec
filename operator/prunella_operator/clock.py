"""The clock and dice: the only module that reads time and chance. Workflows and decisions never import this."""

import random  # noqa: TID251 - spreading retries is the one use of chance, and this module is where it lives
import time
from datetime import UTC, datetime

_STEADY: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # only Linux has the better one


def now() -> datetime:
    """The time of day, in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - this is the module the rule points to


def monotonic() -> float:
    """Seconds that only grow: for ages and timeouts, never for people."""
    return time.monotonic()


def steady() -> float:
    """Seconds that only grow, also while the machine sleeps: for deadlines that must hold whatever happened."""
    return time.clock_gettime(_STEADY)


def jitter(low: float, high: float) -> float:
    """A random number between the two, so that many clients do not retry at the same moment."""
    return random.uniform(low, high)  # noqa: S311 - spreads retries, protects nothing
