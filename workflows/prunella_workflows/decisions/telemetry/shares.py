"""A series of shares, such as errors per request: it learns the normal share, and a CUSUM test finds a raised one."""

import math
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any

from prunella_workflows.decisions.telemetry import cusum
from prunella_workflows.decisions.telemetry.cusum import Counted
from prunella_workflows.decisions.telemetry.windows import SECONDS

KEPT = 0.75
"""The part of what was learnt before that each block keeps: with blocks of 15 min the memory is about an hour."""

_CAP = 1.5  # thresholds, which the level stays below, so that it also falls in time
_CELL = 6  # windows: the dispersion is that of counts per minute
_CALMING = 0.9  # of the dispersion, at each block: it rises at once and falls slowly
_FADING = 0.99  # of the spread, at each block
_SPREADS = 6.0  # over the normal share, that the raised one is at least
_FEWER, _MOST = 0.05, 0.15
_STEEP = 0.15  # a test for a small rise alone needs twice the windows to tell a large one
_PART = 0.6  # of the rise that a test looks for, which the run must have
_PRIOR_BAD, _PRIOR_TOTAL = 2.0, 50.0  # added to what was seen: few requests are no proof of a small share
_FLOOR = 0.001
_MINIMUM_REQUESTS = 100
_SPAN = 6 * SECONDS  # within which a second bad window must follow: one alone is a burst
_RUN = 30  # windows that are kept to date the onset
_EXPECTED = 3.0  # bad requests in the quiet windows, if the anomaly lasted: to see none has a probability below 5 %

_MOST_DISPERSION = 20.0
_CORRELATION, _MOST_CORRELATION = 0.015, 0.06
_SHORT = (
    300  # seconds: the end of a shorter anomaly doubles the correlation, so that a service with bursts tires no one
)
_STEADY = 0.999  # of the correlation, at each block: it halves in a week


@dataclass(frozen=True, slots=True)
class Rules:
    """The parameters of a test; times are in windows, `rise` is a share of requests, `steep` the threshold of the test
    for a large rise.
    """

    learn: int
    threshold: float
    steep: float
    rise: float
    quiet: int


@dataclass(slots=True)
class ShareSeries:
    """The memory of one series. JSON has it as a list of its fields in this order: add new ones at the end only.

    A block is what is learnt from until it is complete; a run is the windows since the level was last 0. Times are
    seconds of the epoch.
    """

    share: float = 0.0
    """The normal share; 0 while nothing is learnt."""
    dispersion: float = 1.0
    correlation: float = _CORRELATION
    total: float = 0.0
    bad: float = 0.0
    windows: int = 0
    block_total: int = 0
    block_bad: int = 0
    cell_total: int = 0
    cell_bad: int = 0
    cells: int = 0
    squares: float = 0.0
    level: float = 0.0
    """The CUSUM."""
    since: int = 0
    run_total: int = 0
    run_bad: int = 0
    hot_at: int = 0
    """The last window that raised the level."""
    alarmed: int = 0
    quiet: int = 0
    quiet_total: int = 0
    quiet_bad: int = 0
    run: list[Counted] = field(default_factory=list)
    spread: float = 0.0
    """The standard deviation of the share from minute to minute, beyond that of chance."""
    steep: float = 0.0
    """The CUSUM for a large rise. It falls with the first one, whose run it is about."""
    steep_at: int = 0
    """The last window that raised it."""

    @classmethod
    def of(cls, row: list[Any]) -> "ShareSeries":
        """Read a row; fields that a later version added are ignored."""
        series = cls(*row[:_FIELDS])
        if series.run:  # the input is not changed
            series.run = [Counted(*window) for window in series.run]
        return series

    def row(self) -> list[Any]:
        """The inverse of `of`."""
        return list(_values(self))

    def step(self, time: int, total: int, bad: int, rules: Rules) -> bool:
        """Count a window with requests; report whether there is enough evidence for an alarm."""
        if not self.share or not (bad or self.level or self.alarmed):
            self._learn(total, bad, 1)
            return False
        small, steep = self._weigh(total, bad, rules)
        if self.alarmed:
            self._weigh_quiet(total, bad, small)
            return False
        if self.level <= 0:
            self._forget_run(total, bad)
            return False
        self._extend_run(Counted(time, total, bad))
        return self._is_confirmed(time, small, steep, rules)

    def open(self) -> None:
        """Begin an anomaly and date it: from now on nothing is learnt."""
        self.alarmed, self.quiet, self.quiet_total, self.quiet_bad = 1, 0, 0, 0
        self.run = self.run[cusum.onset(self.run, self.share) :]
        self.since = self.run[0].time
        self.run_total = sum(window.total for window in self.run)
        self.run_bad = sum(window.bad for window in self.run)
        self.run = []

    def is_over(self, rules: Rules) -> bool:
        """Report whether the quiet windows are enough, and so are their requests."""
        return self.quiet >= rules.quiet and self.quiet_total * self.run_share >= _EXPECTED

    def close(self, time: int) -> None:
        """End the anomaly at this time; a short one was a burst, and the service has to prove the next better."""
        if time - self.since < _SHORT:
            self.correlation = min(2 * self.correlation, _MOST_CORRELATION)
        self.alarmed = self.run_total = self.run_bad = 0
        self.level = self.steep = 0.0

    @property
    def run_share(self) -> float:
        """The share of bad requests in the run."""
        return self.run_bad / self.run_total if self.run_total else 0.0

    def is_due(self, windows: int) -> bool:
        """Report whether the block is complete."""
        return self.windows >= windows and self.block_total >= _MINIMUM_REQUESTS

    def learn_block(self) -> bool:
        """Merge the block into what was learnt; report whether it replaced that, because it is clearly better."""
        found = cusum.dispersion(self.cells, self.block_total, self.block_bad, self.squares)
        share = self.block_bad / self.block_total
        better = self._is_better(found)
        kept = 0.0 if better else KEPT
        wandered = abs(share - self.share) / 2 if self.share and not better else 0.0
        spread = math.sqrt((found - 1) * share * (1 - share) * self.cells / self.block_total)
        self.spread = max(spread, wandered, 0.0 if better else _FADING * self.spread)
        self.dispersion = min(_MOST_DISPERSION, max(found, 1.0 if better else _CALMING * self.dispersion))
        self.correlation = max(_CORRELATION, _STEADY * self.correlation)
        self.set_baseline(kept * self.total + self.block_total, kept * self.bad + self.block_bad)
        self.windows = self.block_total = self.block_bad = self.cell_total = self.cell_bad = self.cells = 0
        self.squares = 0.0
        return better

    def set_baseline(self, total: float, bad: float) -> None:
        """Take the normal share from these requests."""
        self.total, self.bad = total, bad
        self.share = max(_FLOOR, (bad + _PRIOR_BAD) / (total + _PRIOR_TOTAL))

    def _weigh(self, total: int, bad: int, rules: Rules) -> tuple[float, float]:
        """Add the window to both levels; return what it adds to each."""
        small, steep = (self._increment(total, bad, rise(rules)) for rise in (self._rise, self._steep_rise))
        most = _CAP * rules.threshold
        self.level = min(most, max(0.0, self.level + small))
        self.steep = min(most, max(0.0, self.steep + steep)) if self.level else 0.0
        return small, steep

    def _increment(self, total: int, bad: int, rise: float) -> float:
        raised = min(self.share + rise, (1 + self.share) / 2)
        gain, loss = cusum.bernoulli(self.share, raised)
        design_effect = 1 + (total - 1) * self.correlation
        return (bad * gain - (total - bad) * loss) / max(self.dispersion, design_effect)

    def _rise(self, rules: Rules) -> float:
        return max(rules.rise, min(2 * self.share, _FEWER), min(_SPREADS * self.spread, _MOST))

    def _steep_rise(self, rules: Rules) -> float:
        return max(_STEEP, self._rise(rules))

    def _extend_run(self, window: Counted) -> None:
        if not self.run_total:
            self.since = window.time
        self.run_total += window.total
        self.run_bad += window.bad
        self.run.append(window)
        del self.run[:-_RUN]

    def _is_confirmed(self, time: int, small: float, steep: float, rules: Rules) -> bool:
        """Report whether one test has enough evidence, from two windows that raise it."""
        again = small > 0 and self._is_second(self.hot_at, time)
        steep_again = steep > 0 and self._is_second(self.steep_at, time)
        self.hot_at = time if small > 0 else self.hot_at
        self.steep_at = time if steep > 0 else self.steep_at
        risen = self.run_share - self.share
        sure = again and self.level >= rules.threshold and risen >= _PART * self._rise(rules)
        return sure or (steep_again and self.steep >= rules.steep and risen >= _PART * self._steep_rise(rules))

    def _is_second(self, before: int, time: int) -> bool:
        return before >= self.since and time - before <= _SPAN

    def _weigh_quiet(self, total: int, bad: int, increment: float) -> None:
        self.quiet += 1
        self.quiet_total += total
        self.quiet_bad += bad
        if increment > 0:
            self.run_total += self.quiet_total
            self.run_bad += self.quiet_bad
            self.quiet = self.quiet_total = self.quiet_bad = 0

    def _forget_run(self, total: int, bad: int) -> None:
        """Learn a run that came to nothing."""
        self._learn(self.run_total + total, self.run_bad + bad, len(self.run) + 1)
        self.run_total = self.run_bad = 0
        self.run = []

    def _learn(self, total: int, bad: int, windows: int) -> None:
        self.cell_total += total
        self.cell_bad += bad
        self.block_total += total
        self.block_bad += bad
        full = self.windows // _CELL
        self.windows += windows
        if self.windows // _CELL > full and self.cell_total:
            self.cells += 1
            self.squares += self.cell_bad * self.cell_bad / self.cell_total
            self.cell_total = self.cell_bad = 0

    def _is_better(self, dispersion: float) -> bool:
        """A quarter of the share at most, by three standard deviations: what was learnt before had a fault in it."""
        expected = self.block_total * self.share
        few = 4 * (self.block_bad + _PRIOR_BAD) < expected
        return few and (expected - self.block_bad) ** 2 > 9 * expected * dispersion


_NAMES = tuple(each.name for each in fields(ShareSeries))
_FIELDS = len(_NAMES)
_values = attrgetter(*_NAMES)
