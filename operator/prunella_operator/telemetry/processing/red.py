"""Requests, errors and durations (RED) of services, and traces to look at."""

import polars as pl

from prunella_operator.telemetry.processing.items import Items
from prunella_operator.telemetry.processing.spans import ENTRIES

_KEYS = ("at", "who", "op")
_BUCKETS_PER_DOUBLING = 8
_SHORTEST_MS = 1e-3
_EXEMPLARS = 3


def to_red(spans: Items, own_errors: pl.DataFrame) -> pl.DataFrame:
    """Rows of telemetry_red, with `who`. `own_errors` has `at`, `who`, `op` and the number to add, `own_errors`."""
    entries = spans.frame.lazy().filter(pl.col("role").is_in(ENTRIES))
    bucket = (pl.col("ms").clip(_SHORTEST_MS).log(2) * _BUCKETS_PER_DOUBLING).floor().cast(pl.Int16)
    by_bucket = entries.group_by(*_KEYS, bucket.alias("buckets")).agg(
        counts=pl.len().cast(pl.Int32), errors=pl.col("failed").sum().cast(pl.Int64), sum_ms=pl.col("ms").sum()
    )
    rows = by_bucket.group_by(_KEYS).agg(
        n=pl.col("counts").sum().cast(pl.Int64), errors=pl.col("errors").sum(), sum_ms=pl.col("sum_ms").sum(),
        buckets=pl.col("buckets"), counts=pl.col("counts"),
    )  # fmt: skip
    joined = rows.join(own_errors.lazy(), on=_KEYS, how="full", coalesce=True).with_columns(
        pl.col("n", "errors", "sum_ms", "own_errors").fill_null(0), pl.col("buckets", "counts").fill_null([])
    )
    return joined.collect()


def to_exemplars(spans: Items) -> pl.DataFrame:
    """Rows of telemetry_exemplar, with `who`: of each operation up to three requests that failed, of each service the
    slowest one.
    """
    entries = spans.frame.lazy().filter(pl.col("role").is_in(ENTRIES))
    failed = entries.filter("failed").sort("ms", descending=True).group_by(_KEYS).head(_EXEMPLARS)
    columns = ("at", "who", "op", "row", "failed", "ms")
    slow = pl.col("op", "row", "failed", "ms").get(pl.col("ms").arg_max())
    slowest = entries.filter(~pl.col("failed")).group_by("at", "who").agg(slow)
    rows = pl.concat([failed.select(columns), slowest.select(columns)]).collect()
    return rows.with_columns(spans.look_up("trace_id", rows["row"]).bin.encode("hex")).drop("row")
