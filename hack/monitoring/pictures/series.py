"""A time window, and the series of an answer."""

import math
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
Points = tuple[tuple[float, float], ...]
"""Seconds since 1970, and a value; what is no number is left out."""

SCRAPED = 15
"""Seconds between two samples, as Grafana assumes of a data source by itself: it asks for no finer points."""
_POINTS = 240


class UnansweredError(Exception):
    """A query got no answer; the text says which one and why."""


@dataclass(frozen=True)
class Window:
    """The time that is shown, in whole seconds since 1970."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """Length in seconds."""
        return self.end - self.start

    @property
    def step(self) -> int:
        """Seconds between two points."""
        return max(SCRAPED, math.ceil(self.length / _POINTS))


@dataclass(frozen=True)
class Line:
    """One series, and what its panel calls it."""

    name: str
    points: Points

    @property
    def last(self) -> float:
        """The newest value."""
        return self.points[-1][1]
