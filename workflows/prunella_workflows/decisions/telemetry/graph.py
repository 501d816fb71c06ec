"""The graph of services and their calls: what is learnt of each, and what the last half minute says."""

import math
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from prunella_workflows.decisions.telemetry.windows import EdgeCounts

_RECENT = 0.6  # of the recent sums, at each window: they are those of about 25 s
_NORMAL = 0.997  # of the normal sums: about an hour
_LEARNT = 30  # windows, before anything is said of an edge
_CALLS = 5.0  # recent ones, at least
_FACTOR = 2.0  # of the mean gap over the normal one
_DEVIATIONS = 4.0  # of the logarithm of a window's mean gap
_LOST = 0.3  # of the calls for each of the caller's requests, below which they have vanished
_SHARE = 0.03  # of calls that fail, beyond the normal share


@dataclass(slots=True)
class Sums:
    """Decaying sums over windows: calls, those that failed or had no server span, gaps, and the caller's requests."""

    calls: float = 0.0
    failed: float = 0.0
    gap_ms: float = 0.0
    requests: float = 0.0
    lost: float = 0.0

    def add(self, counts: EdgeCounts | None, requests: int, kept: float) -> None:
        """Add a window; None is one without calls."""
        self.calls *= kept
        self.failed *= kept
        self.gap_ms *= kept
        self.lost *= kept
        self.requests = self.requests * kept + requests
        if counts:
            self.calls += counts.calls
            self.failed += counts.errors
            self.lost += counts.lost
            self.gap_ms += max(0.0, counts.gap_ms)

    @property
    def gap(self) -> float:
        """The mean gap in ms."""
        return self.gap_ms / self.calls if self.calls else 0.0

    @property
    def per_request(self) -> float:
        """Calls for each request of the caller."""
        return self.calls / self.requests if self.requests else 0.0


_values = attrgetter("calls", "failed", "gap_ms", "requests", "lost")


@dataclass(slots=True)
class EdgeMemory:
    """The memory of the calls of one service by another."""

    normal: Sums = field(default_factory=Sums)
    recent: Sums = field(default_factory=Sums)
    windows: int = 0
    log_gap: float = 0.0
    """The mean of the logarithm of a window's mean gap, plus 1 ms, and its mean absolute deviation."""
    deviation: float = 0.0
    last_calls: int = 0
    last_requests: int = 0
    """Those of the caller in the last window."""

    @classmethod
    def of(cls, row: list[Any]) -> "EdgeMemory":
        """Read a row; fields that a later version added are ignored."""
        normal, recent, *rest = row[:7]
        return cls(Sums(*normal[:5]), Sums(*recent[:5]), *rest)

    def row(self) -> list[Any]:
        """The inverse of `of`."""
        rest = (self.windows, self.log_gap, self.deviation, self.last_calls, self.last_requests)
        return [_values(self.normal), _values(self.recent), *rest]

    def step(self, counts: EdgeCounts | None, requests: int, learns: bool) -> None:
        """Count a window of the edge; None is one without calls, `requests` are those of its caller."""
        self.recent.add(counts, requests, _RECENT)
        self.last_calls, self.last_requests = counts.calls if counts else 0, requests
        if not learns:
            return
        self.normal.add(counts, requests, _NORMAL)
        if counts and counts.calls:
            self._learn_gap(math.log1p(max(0.0, counts.gap_ms) / counts.calls))

    def _learn_gap(self, log_gap: float) -> None:
        self.windows += 1
        weight = max(1 / self.windows, 1 - _NORMAL)
        self.deviation += weight * (abs(log_gap - self.log_gap) - self.deviation)
        self.log_gap += weight * (log_gap - self.log_gap)

    @property
    def is_known(self) -> bool:
        """Report whether enough was learnt to compare with."""
        return self.windows >= _LEARNT

    @property
    def failures(self) -> float:
        """Recent calls that failed, or had no server span, beyond the normal share; 0 where that may be chance.

        Calls of a service without spans of its own never have one, so that its failures are those that callers see.
        """
        return max(
            self._excess(self.recent.failed, self.normal.failed), self._excess(self.recent.lost, self.normal.lost)
        )

    def _excess(self, recent: float, normal: float) -> float:
        calls = self.recent.calls
        if not self.is_known or calls < _CALLS or not self.normal.calls:
            return 0.0
        expected = calls * normal / self.normal.calls
        excess = recent - expected
        return excess if excess > 3 * math.sqrt(max(1.0, expected)) and excess > _SHARE * calls else 0.0

    @property
    def vanished(self) -> float:
        """Recent calls that the caller's requests would have made; 0 unless most of the last window's are missing."""
        usual = self.normal.per_request
        expected = self.last_requests * usual
        if not self.is_known or expected < 2 * _CALLS or self.last_calls > _LOST * expected:
            return 0.0
        return max(0.0, self.recent.requests * usual - self.recent.calls)

    @property
    def slow_ms(self) -> float:
        """The mean of recent gaps beyond the normal one, in ms; 0 where that is usual."""
        if not self.is_known or self.recent.calls < _CALLS:
            return 0.0
        rise = math.log1p(self.recent.gap) - self.log_gap
        unusual = rise > max(math.log(_FACTOR), _DEVIATIONS * self.deviation)
        return self.recent.gap - self.normal.gap if unusual else 0.0


@dataclass(slots=True)
class OwnErrors:
    """Errors that a service makes itself, and its server's errors, with their normal shares."""

    normal: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    """Requests, own errors, errors of its server."""
    recent: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])

    def step(self, requests: int, own: int, errors: int, learns: bool) -> None:
        """Count a window."""
        now = (requests, own, errors)
        self.recent = [_RECENT * old + new for old, new in zip(self.recent, now, strict=True)]
        if learns:
            self.normal = [_NORMAL * old + new for old, new in zip(self.normal, now, strict=True)]

    @property
    def own(self) -> float:
        """Recent own errors beyond the normal share."""
        return self._excess(1)

    @property
    def server_share(self) -> float:
        """The recent share of requests that failed, beyond the normal share."""
        return self._excess(2) / self.recent[0] if self.recent[0] else 0.0

    def _excess(self, place: int) -> float:
        usual = self.normal[place] / self.normal[0] if self.normal[0] else 0.0
        expected = self.recent[0] * usual
        excess = self.recent[place] - expected
        return excess if excess > 3 * math.sqrt(max(1.0, expected)) else 0.0
