"""Error logs of one service with one template: a Poisson CUSUM on records per window."""

from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

from prunella_workflows.decisions.telemetry import cusum
from prunella_workflows.decisions.telemetry.shares import KEPT, Rules
from prunella_workflows.decisions.telemetry.windows import SECONDS

_LEAST = 0.5  # records a window: below this the normal rate cannot be distinguished from 0
_FACTOR, _RISE = 3.0, 3.0  # of the raised rate over the normal one
_RECORDS = 10  # of an anomaly, at least
_SPAN = 6 * SECONDS


@dataclass(slots=True)
class LogSeries:
    """The memory of one template. JSON has it as a list of its fields in this order: add new ones at the end only."""

    rate: float = -1.0
    """The normal records per window; negative while nothing is learnt."""
    dispersion: float = 1.0
    windows: float = 0.0
    records: float = 0.0
    block_windows: int = 0
    block_records: int = 0
    squares: int = 0
    level: float = 0.0
    since: int = 0
    run_windows: int = 0
    run_records: int = 0
    hot_at: int = 0
    alarmed: int = 0
    quiet: int = 0

    @classmethod
    def of(cls, row: list[Any]) -> "LogSeries":
        """Read a row; fields that a later version added are ignored."""
        return cls(*row[: len(_NAMES)])

    def row(self) -> list[Any]:
        """The inverse of `of`."""
        return list(_values(self))

    def step(self, time: int, records: int, rules: Rules) -> bool:
        """Count a window, also one without records; report whether there is enough evidence for an alarm."""
        if self.rate < 0 or not (records or self.level or self.alarmed):
            self._learn(records, rules)
            return False
        increment = self._increment(records, rules)
        fresh = self.level <= 0
        self.level = min(1.5 * rules.threshold, max(0.0, self.level + increment))
        if self.alarmed:
            self.quiet = 0 if increment > 0 else self.quiet + 1
            self._extend_run(records)
            return False
        if self.level <= 0:
            self._learn(records, rules)
            self.run_windows = self.run_records = 0
            return False
        if fresh:
            self.since = time
        self._extend_run(records)
        return increment > 0 and self._is_confirmed(time, rules)

    def open(self) -> None:
        """Begin an anomaly: from now on nothing is learnt."""
        self.alarmed, self.quiet = 1, 0

    def close(self) -> None:
        """End the anomaly."""
        self.alarmed = self.run_windows = self.run_records = 0
        self.level = 0.0

    @property
    def run_rate(self) -> float:
        """Records per window of the run."""
        return self.run_records / self.run_windows if self.run_windows else 0.0

    @property
    def normal(self) -> float:
        """The normal rate that the test compares with."""
        return max(self.rate, _LEAST)

    def _increment(self, records: int, rules: Rules) -> float:
        """Half the threshold at most: one window, such as one stack trace line by line, is never enough."""
        gain, loss = cusum.poisson(self.normal, max(_FACTOR * self.normal, self.normal + _RISE))
        return min(rules.threshold / 2, (records * gain - loss) / self.dispersion)

    def _is_confirmed(self, time: int, rules: Rules) -> bool:
        before, self.hot_at = self.hot_at, time
        again = before >= self.since and time - before <= _SPAN
        return again and self.level >= rules.threshold and self.run_records >= _RECORDS

    def _extend_run(self, records: int) -> None:
        self.run_windows += 1
        self.run_records += records

    def _learn(self, records: int, rules: Rules) -> None:
        """Learn a window, and a run that came to nothing."""
        self.block_windows += 1 + self.run_windows
        self.block_records += records + self.run_records
        self.squares += records * records + self.run_records * self.run_records
        if self.block_windows >= rules.learn:
            mean = self.block_records / self.block_windows
            variance = self.squares / self.block_windows - mean * mean
            self.dispersion = max(1.0, 0.9 * self.dispersion, variance / max(mean, _LEAST))
            self.windows = KEPT * self.windows + self.block_windows
            self.records = KEPT * self.records + self.block_records
            self.rate = self.records / self.windows
            self.block_windows = self.block_records = self.squares = 0


_NAMES = tuple(each.name for each in fields(LogSeries))
_values = attrgetter(*_NAMES)
