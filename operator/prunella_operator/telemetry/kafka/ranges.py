"""The choice of a batch: as many records of each partition as fit, in proportion to what waits there."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from prunella_operator.telemetry.kafka.offsets import Partition
from prunella_workflows.contracts.telemetry import OffsetRange, TelemetrySignal


class Backlog(NamedTuple):
    """The records of a partition that are not stored yet, and their usual size in bytes."""

    signal: TelemetrySignal
    partition: Partition
    start: int
    end: int
    record_bytes: float

    @property
    def bytes(self) -> float:
        """The estimated size."""
        return (self.end - self.start) * self.record_bytes


def choose(backlogs: Iterable[Backlog], most_bytes: float) -> tuple[OffsetRange, ...]:
    """Ranges of about `most_bytes` in total, each of at least one record.

    All partitions advance by the same share of their backlog, so that they stay at about the same time.
    """
    waiting = [backlog for backlog in backlogs if backlog.end > backlog.start]
    share = min(1.0, most_bytes / max(sum(backlog.bytes for backlog in waiting), 1.0))
    return tuple(
        OffsetRange(
            signal=backlog.signal,
            topic=backlog.partition.topic,
            partition=backlog.partition.number,
            start=backlog.start,
            end=backlog.start + max(1, int((backlog.end - backlog.start) * share)),
        )
        for backlog in waiting
    )


def batch_id(ranges: Iterable[OffsetRange]) -> str:
    """A name that the same ranges always have."""
    text = "\n".join(f"{taken.topic}/{taken.partition}/{taken.start}/{taken.end}" for taken in ranges)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def lag_at_least(backlogs: Iterable[Backlog], since: Mapping[Partition, int]) -> bool:
    """True if a waiting record is older than the time that `since` was asked for."""
    return any(
        backlog.end > backlog.start and (found < 0 or found > backlog.start)
        for backlog in backlogs
        if (found := since.get(backlog.partition)) is not None
    )
