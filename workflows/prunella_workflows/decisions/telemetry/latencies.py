"""Durations of one service: the share of requests above the 95th percentile that was learnt.

The test is that of shares, so that a service needs no model of its durations. What is significant is not always worth
an alarm: the percentile of the run must also be higher by a factor.
"""

from dataclasses import dataclass, field
from typing import Any

from prunella_workflows.decisions.telemetry import histogram
from prunella_workflows.decisions.telemetry.histogram import Dense
from prunella_workflows.decisions.telemetry.shares import KEPT, Rules, ShareSeries
from prunella_workflows.decisions.telemetry.windows import Histogram

_FEW = 50  # requests, for a first percentile
_PLAIN = 1.8  # times the normal percentile: a smaller rise has to last for a minute
_LASTING = 6  # windows


@dataclass(slots=True)
class LatencySeries:
    """The memory of the durations of one service. JSON has it as a list: add new fields at the end only."""

    shares: ShareSeries = field(default_factory=ShareSeries)
    normal: Dense = field(default_factory=list)
    block: Dense = field(default_factory=list)
    run: Dense = field(default_factory=list)
    bucket: int | None = None
    """The bucket of the normal 95th percentile."""
    warming: int = 0
    """Windows before there is a first percentile to compare with."""

    @classmethod
    def of(cls, row: list[Any]) -> "LatencySeries":
        """Read a row; fields that a later version added are ignored."""
        shares, normal, block, run, bucket, warming = row[:6]
        return cls(ShareSeries.of(shares), normal, block[:], run[:], bucket, warming)

    def row(self) -> list[Any]:
        """The inverse of `of`."""
        return [self.shares.row(), self.normal, self.block, self.run, self.bucket, self.warming]

    def step(self, time: int, total: int, durations: Histogram, rules: Rules, factor: float) -> bool:
        """Count a window with requests; report whether there is enough evidence for an alarm."""
        if self.bucket is None:
            histogram.add(self.block, durations)
            self._warm(rules)
            return False
        shares = self.shares
        ready = shares.step(time, total, histogram.above(durations, self.bucket), rules)
        if shares.run_total:
            histogram.add(self.run, durations)
            return ready and self._is_large(factor)
        if self.run:
            self.block = histogram.merged(self.block, 1.0, self.run)
            self.run = []
        histogram.add(self.block, durations)
        if shares.is_due(self._needed(rules)):
            self._learn_block()
        return False

    def close(self, time: int) -> None:
        """End the anomaly at this time."""
        self.shares.close(time)
        self.run = []

    def _is_large(self, factor: float) -> bool:
        ratio = self.run_ratio
        return ratio >= factor and (ratio >= _PLAIN or len(self.shares.run) >= _LASTING)

    @property
    def run_ratio(self) -> float:
        """The 95th percentile of the run over the normal one."""
        return histogram.ratio(histogram.p95_bucket(self.run), self.bucket or 0)

    def _warm(self, rules: Rules) -> None:
        self.warming += 1
        if 3 * self.warming >= rules.learn and histogram.total(self.block) >= _FEW:
            self.bucket = histogram.p95_bucket(self.block)

    def _needed(self, rules: Rules) -> int:
        return rules.learn if self.normal else rules.learn - self.warming

    def _learn_block(self) -> None:
        """Merge the block; its share above the old percentile says whether it is clearly better."""
        kept = 0.0 if self.shares.learn_block() else KEPT
        self.normal = histogram.merged(self.normal, kept, self.block)
        self.block = []
        self.bucket = histogram.p95_bucket(self.normal)
        bad = histogram.above_dense(self.normal, self.bucket)
        self.shares.set_baseline(histogram.total(self.normal), bad)
