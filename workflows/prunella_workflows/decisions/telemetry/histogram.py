"""Histograms of durations in buckets of a factor of 2^(1/8): a bucket is at most 9 % wide, its middle 4.4 % off.

What is remembered is dense, so that JSON has it as it is: the lowest bucket, then the count of each from there on.
"""

import math

from prunella_workflows.decisions.telemetry.windows import Histogram

PER_OCTAVE = 8
_LOWEST, _HIGHEST = -80, 240  # 1 us to 12 days: what is beyond is counted as that
_QUANTILE = 0.95

Dense = list[float]


def add(into: Dense, counts: Histogram) -> None:
    """Add the counts of a window."""
    if not counts:
        return
    low, high = min(counts), max(counts)
    if low < _LOWEST or high > _HIGHEST:
        counts = _clipped(counts)
        low, high = min(counts), max(counts)
    if not into:
        into.append(low)
    elif low < into[0]:
        into[1:1] = [0] * int(into[0] - low)
        into[0] = low
    first = int(into[0]) - 1
    if (missing := high - first - len(into) + 1) > 0:
        into.extend([0] * missing)
    for bucket, count in counts.items():
        into[bucket - first] += count


def merged(one: Dense, kept: float, other: Dense) -> Dense:
    """A part of one, in whole counts, and all of another, without empty buckets at the ends."""
    counts = {bucket: round(kept * count) for bucket, count in _items(one)}
    for bucket, count in _items(other):
        counts[bucket] = counts.get(bucket, 0) + round(count)
    found: Dense = []
    add(found, {bucket: count for bucket, count in counts.items() if count})
    return found


def total(counts: Dense) -> float:
    """The number of durations."""
    return sum(counts[1:])


def above(counts: Histogram, bucket: int) -> int:
    """The number of durations of a window in buckets above this one."""
    return sum([count for place, count in counts.items() if place > bucket])


def above_dense(counts: Dense, bucket: int) -> float:
    """The same of what is remembered."""
    return sum(count for place, count in _items(counts) if place > bucket)


def p95_bucket(counts: Dense) -> int:
    """The bucket that the 95th percentile falls into; 0 of an empty histogram."""
    left = _QUANTILE * total(counts)
    for bucket, count in _items(counts):
        left -= count
        if left <= 0:
            return bucket
    return 0


def milliseconds(bucket: float) -> float:
    """The middle of a bucket in ms, as a geometric mean of its bounds."""
    return math.pow(2.0, (bucket + 0.5) / PER_OCTAVE)


def mean_ms(counts: Dense) -> float:
    """The mean duration in ms; 0 of an empty histogram."""
    number = total(counts)
    return sum(count * milliseconds(bucket) for bucket, count in _items(counts)) / number if number else 0.0


def ratio(bucket: float, base: float) -> float:
    """The factor between the durations of two buckets."""
    return math.pow(2.0, (bucket - base) / PER_OCTAVE)


def _clipped(counts: Histogram) -> Histogram:
    found: dict[int, int] = {}
    for bucket, count in counts.items():
        place = max(_LOWEST, min(_HIGHEST, bucket))
        found[place] = found.get(place, 0) + count
    return found


def _items(counts: Dense) -> "enumerate[float]":
    return enumerate(counts[1:], int(counts[0]) if counts else 0)
