"""The port of metrics sources: PromQL in, numbers or the reason for their absence out. Nothing raises or retries."""

import math
from datetime import datetime
from typing import Protocol

from prunella_workflows.model.measurement import Answer, NoData, Series, Why

_STEPS_SECONDS = (15, 30, 60, 120, 300, 600, 1800, 3600)
_MAX_POINTS = 240  # of a series

Found = tuple[Series, ...] | NoData


class MetricsSource(Protocol):
    """A source that supports PromQL. Every call ends within its timeout."""

    def value(self, query: str) -> Answer:
        """The single number of an instant query. Several series, NaN and stale samples are `NoData`."""

    def vector(self, query: str) -> Found:
        """All series of an instant query; with a range selector (`[2m]`) readings have their own times."""

    def series(self, query: str, start: datetime, end: datetime, step: float | None = None) -> Found:
        """All series of a range query, every `step` seconds; by default `default_step` of the range."""


def default_step(start: datetime, end: datetime) -> float:
    """Seconds between readings: a round number, not below the usual scrape interval, for at most 240 readings."""
    minimum = (end - start).total_seconds() / _MAX_POINTS
    return float(next((step for step in _STEPS_SECONDS if step >= minimum), math.ceil(minimum)))


class NotConfigured:
    """The source of an installation without Prometheus."""

    _NO_DATA = NoData(why=Why.NOT_CONFIGURED, message="no Prometheus is configured (setting prometheus_url)")

    def value(self, query: str) -> NoData:
        """No data."""
        del query
        return self._NO_DATA

    vector = value

    def series(self, query: str, start: datetime, end: datetime, step: float | None = None) -> NoData:
        """No data."""
        del query, start, end, step
        return self._NO_DATA
