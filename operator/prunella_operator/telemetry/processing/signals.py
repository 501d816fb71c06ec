"""A signal's records to staged rows: chunk by chunk, with what became of them."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import polars as pl
import pyarrow as pa

from prunella_operator.telemetry.otlp.decode import Decoded, decode
from prunella_operator.telemetry.otlp.poison import bisect
from prunella_operator.telemetry.processing.edges import name_ends, pair_spans
from prunella_operator.telemetry.processing.items import Counts
from prunella_operator.telemetry.processing.logs import to_logs
from prunella_operator.telemetry.processing.own_errors import settle, to_failed
from prunella_operator.telemetry.processing.points import to_points
from prunella_operator.telemetry.processing.records import DeadLetter, Records
from prunella_operator.telemetry.processing.red import to_exemplars, to_red
from prunella_operator.telemetry.processing.spans import to_spans
from prunella_workflows.contracts.telemetry import TelemetrySignal

Frames = dict[str, pl.DataFrame]
_POISON = (ValueError, OverflowError, pa.ArrowException, pl.exceptions.PolarsError, pl.exceptions.PanicException)


@dataclass
class Outcome:
    """The frames to stage by name, the counts, and the letters of dead records."""

    frames: Frames = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)
    dead: list[DeadLetter] = field(default_factory=list)
    records: int = 0
    bytes: int = 0
    oldest: int = 0

    def to_json(self) -> dict[str, float]:
        """The counts as the store needs them."""
        counts = {name: getattr(self.counts, name) for name in ("items", "late", "skewed", "other", "newest")}
        size = self.bytes / self.records if self.records else 0.0
        return {**counts, "dead": len(self.dead), "bytes": self.bytes, "oldest": self.oldest, "recordBytes": size}


def process(signal: TelemetrySignal, chunks: Iterable[Records], watermark: int) -> Outcome:
    """Process the records of a signal. What fails with some of them is repeated without those: they are dead.

    `watermark`: the time in ns up to which windows are complete already.
    """
    outcome, frames = Outcome(), defaultdict[str, list[pl.DataFrame]](list)
    for records in chunks:
        parts, dead = bisect(lambda some: _process(signal, some, watermark), records, _POISON)
        outcome.dead += [records.letter(index, error) for index, error in dead.items()]
        for part in parts:
            outcome.dead += part.dead
            outcome.counts.add(part.counts)
            for name, frame in part.frames.items():
                frames[name].append(frame)
        outcome.records += len(records)
        outcome.bytes += sum(map(len, records.values))
        oldest = min(records.stamps)
        outcome.oldest = min(outcome.oldest or oldest, oldest)
    outcome.frames = {name: pl.concat(some, how="vertical") for name, some in frames.items()}
    return outcome


def _process(signal: TelemetrySignal, records: Records, watermark: int) -> Outcome:
    counts = Counts()
    decoded = decode(signal, records.values)
    stamps = pl.Series(records.stamps, dtype=pl.Int64)
    frames = _WORK[signal](decoded, stamps, watermark, counts)
    counts.newest = min(counts.newest, max(records.stamps))  # no clock runs ahead of the broker's
    return Outcome(frames, counts, [records.letter(index, error) for index, error in counts.dead.items()])


def _traces(decoded: Decoded, stamps: pl.Series, watermark: int, counts: Counts) -> Frames:
    spans = to_spans(decoded, stamps, watermark, counts)
    pairs = pair_spans(spans)
    own_errors, failed = settle(to_failed(spans.frame), counts.newest)
    return {
        "red": spans.with_identity(to_red(spans, own_errors)),
        "exemplar": spans.with_identity(to_exemplars(spans)),
        "edge": name_ends(pairs.edges, spans.identities),
        "open": spans.with_key(pairs.open),
        "failed": spans.with_key(failed),
    }


def _metrics(decoded: Decoded, stamps: pl.Series, watermark: int, counts: Counts) -> Frames:
    return {"point": to_points(decoded, stamps, watermark, counts)}


def _logs(decoded: Decoded, stamps: pl.Series, watermark: int, counts: Counts) -> Frames:
    return {"log": to_logs(decoded, stamps, watermark, counts)}


_WORK: dict[TelemetrySignal, Callable[..., Frames]] = {
    TelemetrySignal.TRACES: _traces,
    TelemetrySignal.METRICS: _metrics,
    TelemetrySignal.LOGS: _logs,
}
