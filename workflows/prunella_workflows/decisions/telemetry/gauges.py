"""Gauges: the use of a resource compared with its own last hour, by median and median absolute deviation."""

from dataclasses import dataclass, field, fields
from statistics import median
from typing import Any

from prunella_workflows.decisions.telemetry.windows import SECONDS

_MINUTE = 60 // SECONDS
_HOUR = 60
_DEVIATIONS = 6.0
_TO_SIGMA = 1.4826  # of a normal distribution: sigma over MAD (F. R. Hampel, JASA 69, 1974)
_LEAST_SIGMA = 0.01
_LASTING = 6  # windows


@dataclass(slots=True)
class GaugeSeries:
    """The memory of one resource of a workload. JSON has it as a list of its fields: add new ones at the end only."""

    minutes: list[float] = field(default_factory=list)
    """The means of the last hour, each of a minute in which nothing was unusual."""
    sum: float = 0.0
    count: int = 0
    high: int = 0
    since: int = 0
    alarmed: int = 0
    quiet: int = 0
    value: float = 0.0

    @classmethod
    def of(cls, row: list[Any]) -> "GaugeSeries":
        """Read a row; fields that a later version added are ignored."""
        return cls(row[0][:], *row[1 : len(_NAMES)])

    def row(self) -> list[Any]:
        """The inverse of `of`."""
        return [getattr(self, name) for name in _NAMES]

    def step(self, time: int, value: float, saturated: float, learn_minutes: int) -> bool:
        """Count the value of a window; report whether it has been saturated and unusual for a minute."""
        self.value = value
        unusual = value >= saturated and len(self.minutes) >= learn_minutes and value > self.limit
        if not unusual:
            self.high = 0
            self.quiet += 1
            if not self.alarmed:
                self._learn(value)
            return False
        if not self.high and not self.alarmed:
            self.since = time
        self.quiet = 0
        self.high += 1
        return not self.alarmed and self.high >= _LASTING

    @property
    def limit(self) -> float:
        """The highest usual value."""
        middle = median(self.minutes)
        sigma = _TO_SIGMA * median([abs(value - middle) for value in self.minutes])
        return middle + _DEVIATIONS * max(sigma, _LEAST_SIGMA)

    @property
    def normal(self) -> float:
        """The median of the last hour."""
        return median(self.minutes) if self.minutes else 0.0

    def _learn(self, value: float) -> None:
        self.sum += value
        self.count += 1
        if self.count >= _MINUTE:
            self.minutes.append(round(self.sum / self.count, 4))
            del self.minutes[:-_HOUR]
            self.sum, self.count = 0.0, 0


_NAMES = tuple(each.name for each in fields(GaugeSeries))
