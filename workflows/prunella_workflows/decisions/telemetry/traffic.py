"""Requests of one service that are missing: compared with the last hour, and with the same hour of earlier days."""

from dataclasses import dataclass, field, fields
from operator import attrgetter
from statistics import median
from typing import Any

from prunella_workflows.decisions.telemetry.windows import SECONDS

_MINUTE = 60 // SECONDS
_HOUR = 60
_STEADY = 0.5  # of the median, that the minutes of the hour have: else the traffic comes in waves of its own
_OUTLIERS = 2  # minutes, of which one is that in which the drop began
_LOW_MINUTES = 2
_RISING = 0.2  # of a day's lowest minute, by which the lowest of earlier days is forgotten


@dataclass(slots=True)
class TrafficSeries:
    """The memory of one service. JSON has it as a list of its fields in this order: add new ones at the end only.

    `floors` are the lowest minutes by hour of the day (UTC), -1 where none was seen yet.
    """

    minutes: list[int] = field(default_factory=list)
    count: int = 0
    windows: int = 0
    hour: int = -1
    lowest: int = 0
    floors: list[float] = field(default_factory=lambda: [-1.0] * 24)
    low: int = 0
    since: int = 0
    alarmed: int = 0
    last: int = 0

    @classmethod
    def of(cls, row: list[Any]) -> "TrafficSeries":
        """Read a row; fields that a later version added are ignored."""
        minutes, count, windows, hour, lowest, floors, *rest = row[: len(_NAMES)]
        return cls(minutes[:], count, windows, hour, lowest, floors[:], *rest)

    def row(self) -> list[Any]:
        """The inverse of `of`."""
        return list(_values(self))

    def step(self, time: int, requests: int, drop: float, least: int) -> bool:
        """Count a window, also one without requests; report whether requests have been missing for two minutes."""
        self.count += requests
        self.windows += 1
        if self.windows < _MINUTE:
            return False
        self.last, self.count, self.windows = self.count, 0, 0
        self._note_floor(time)
        if not self._is_low(time, drop, least):
            self.low = 0
            self.minutes.append(self.last)
            del self.minutes[:-_HOUR]
            return False
        if not self.low:
            self.since = time - 60 + SECONDS
        self.low += 1
        return not self.alarmed and self.low >= _LOW_MINUTES

    @property
    def normal(self) -> float:
        """The median of the last hour's minutes."""
        return median(self.minutes) if self.minutes else 0.0

    def _is_low(self, time: int, drop: float, least: int) -> bool:
        """Report whether the last minute is unusual for a steady hour, and for this hour of the day."""
        if len(self.minutes) < _HOUR or self.last >= drop * max(self.minutes):
            return False
        usual = self.normal
        steady = self.alarmed or sorted(self.minutes)[_OUTLIERS] >= _STEADY * usual
        return bool(usual >= least and self.last < drop * usual and steady and self.last < _STEADY * self._floor(time))

    def _floor(self, time: int) -> float:
        return self.floors[time // 3600 % 24]

    def _note_floor(self, time: int) -> None:
        hour = time // 3600 % 24
        if hour == self.hour:
            self.lowest = min(self.lowest, self.last)
            return
        if self.hour >= 0:
            before = self.floors[self.hour]
            self.floors[self.hour] = min(self.lowest, before + _RISING * self.lowest) if before >= 0 else self.lowest
        self.hour, self.lowest = hour, self.last


_NAMES = tuple(each.name for each in fields(TrafficSeries))
_values = attrgetter(*_NAMES)
