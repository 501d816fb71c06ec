"""The port: PromQL in, numbers out, or the reason why there are none. Nothing here raises or repeats."""

import math
from datetime import datetime
from typing import Protocol

from prunella_workflows.model.measurement import Answer, NoData, Series, Why

_STEPS = (15, 30, 60, 120, 300, 600, 1800, 3600)
_POINTS = 240


class MetricsSource(Protocol):
    """What can be asked of a source that speaks PromQL. Every call ends within its time-out."""

    def value(self, query: str) -> Answer:
        """The one number of an instant query; several series, NaN and what is old are no number."""

    def vector(self, query: str) -> tuple[Series, ...] | NoData:
        """All series of an instant query; with a range selector (`[2m]`) their readings have the times of their own."""

    def series(
        self, query: str, start: datetime, end: datetime, step: float | None = None
    ) -> tuple[Series, ...] | NoData:
        """All series of a range query, every `step` seconds; by default `step_of` the range."""


def step_of(start: datetime, end: datetime) -> float:
    """Seconds between two readings: what people call round, not below a usual scrape interval, at most 240 a series."""
    least = (end - start).total_seconds() / _POINTS
    return float(next((step for step in _STEPS if step >= least), math.ceil(least)))


class NotConfigured:
    """The source of an installation that has none."""

    _ANSWER = NoData(why=Why.NOT_CONFIGURED, message="no Prometheus is configured (setting prometheus_url)")

    def value(self, query: str) -> Answer:
        """No answer."""
        del query
        return self._ANSWER

    def vector(self, query: str) -> tuple[Series, ...] | NoData:
        """No answer."""
        del query
        return self._ANSWER

    def series(
        self, query: str, start: datetime, end: datetime, step: float | None = None
    ) -> tuple[Series, ...] | NoData:
        """No answer."""
        del query, start, end, step
        return self._ANSWER
