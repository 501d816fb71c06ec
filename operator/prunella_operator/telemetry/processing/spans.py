"""Spans: cleaned, without repetitions, and with what the other steps need of them."""

from dataclasses import replace

import polars as pl
import pyarrow as pa

from prunella_operator.telemetry.otlp.decode import Decoded
from prunella_operator.telemetry.processing.items import Counts, Items, bound, place, to_items
from prunella_operator.telemetry.processing.texts import mask_name

SERVER, CLIENT, PRODUCER, CONSUMER = 2, 3, 4, 5
"""Kinds of spans, by OTLP's numbers: `role` here, as `kind` is that of a workload."""
ENTRIES = (SERVER, CONSUMER)
_ERROR = 2
_FIELDS = ("trace_id", "span_id", "parent_id", "role", "start", "end", "status")
_TRACE_ID, _SPAN_ID = 16, 8
MOST_SERIES = 20_000
_LONGEST_MS = 86_400_000.0
_MOST_NAMES = 50_000
"""Names of operations in a batch that are looked into: a batch with more of them has ids of an unknown form."""


def to_spans(decoded: Decoded, stamps: pl.Series, watermark: int, counts: Counts) -> Items:
    """Spans with `trace`, `span`, `parent` (0: none), `op`, `role`, `failed`, `ms`, `time` and `at`.

    `trace` is the second half of the trace's id. A record with ids of another length holds no spans: it is dead.
    """
    items = to_items(decoded, _FIELDS, counts)
    frame = _only_spans(items.frame, counts)
    frame = frame.with_columns(
        trace=pl.col("trace_id").bin.slice(8).bin.reinterpret(dtype=pl.UInt64),
        span=pl.col("span_id").bin.reinterpret(dtype=pl.UInt64),
        parent=pl.when(pl.col("parent_id").bin.size() == _SPAN_ID)
        .then(pl.col("parent_id"))
        .otherwise(pl.lit(b"\0" * _SPAN_ID))
        .bin.reinterpret(dtype=pl.UInt64),
        failed=pl.col("status").struct.field("code").fill_null(0) == _ERROR,
        op=_mask_names(decoded.items.field("name"), frame["row"]),
    ).drop("trace_id", "span_id", "parent_id", "status")
    frame = frame.unique(["trace", "span"], keep="any")
    frame = place(frame, pl.col("end"), stamps, counts, watermark)
    backwards = pl.col("end") < pl.col("start")
    counts.skewed += frame.filter(backwards & ~pl.col("skewed")).height
    length = (pl.col("end") - pl.col("start")).cast(pl.Float64) / 1e6
    ms = pl.when(backwards).then(0.0).otherwise(length.clip(0.0, _LONGEST_MS))
    spans = replace(items, frame=frame.with_columns(ms=ms).drop("start", "end", "skewed"))
    return bound(spans, "op", MOST_SERIES, counts)


def _only_spans(frame: pl.DataFrame, counts: Counts) -> pl.DataFrame:
    wrong = (pl.col("trace_id").bin.size() != _TRACE_ID) | (pl.col("span_id").bin.size() != _SPAN_ID)
    dead = frame.filter(wrong)["record"].unique()
    if dead.is_empty():
        return frame
    counts.dead |= dict.fromkeys(dead, "holds no spans: an id has another length")
    return frame.filter(~pl.col("record").is_in(dead.implode()))


def _mask_names(names: pa.StringArray, rows: pl.Series) -> pl.Series:
    encoded = names.dictionary_encode()
    known = encoded.dictionary.slice(0, _MOST_NAMES).to_pylist()
    masked = pl.Series([*map(mask_name, known), "other"], dtype=pl.String)
    return masked.gather(pl.Series(encoded.indices).gather(rows).clip(upper_bound=len(known)))
