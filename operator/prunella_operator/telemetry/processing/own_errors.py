"""Own errors: spans that failed although none of their children did.

Failed spans are carried for a minute, as open halves are: a child that comes later takes its parent's own error back.
The minute is counted back from the newest span of the shard. When a backlog is skewed, so that one partition is read
more than a minute ahead of another, failed spans of the one behind are not carried: a child in a later batch takes
nothing back, and both have an own error. docs/telemetry-alerts.md says what follows from it.
"""

import polars as pl

from prunella_operator.telemetry.processing.edges import CARRY_NS, MOST_CARRIED, pair
from prunella_operator.telemetry.processing.items import WINDOW_NS
from prunella_operator.telemetry.processing.spans import ENTRIES

FAILED = {
    "trace": pl.UInt64, "span": pl.UInt64, "parent": pl.UInt64, "time": pl.Int64, "op": pl.String, "who": pl.Int32,
    "counted": pl.Boolean, "excused": pl.Boolean,
}  # fmt: skip
"""Failed spans. `counted`: an earlier step has seen it; `excused`: a child of it has failed."""


def to_failed(spans: pl.DataFrame) -> pl.DataFrame:
    """The failed spans of a batch. Only requests have an operation: other spans count for their service as a whole."""
    op = pl.when(pl.col("role").is_in(ENTRIES)).then("op").otherwise(pl.lit(""))
    new = {"counted": pl.lit(value=False), "excused": pl.lit(value=False)}
    return spans.filter("failed").with_columns(op=op, **new).select(*FAILED)


def settle(failed: pl.DataFrame, newest: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return what to add to own errors, by `at`, `who` and `op`, and the spans to carry on.

    A new span adds one unless a child of it failed; one that was counted takes it back when such a child comes.
    """
    parents = pair(failed, failed).select("trace", span="parent").unique().with_columns(guilty=pl.lit(value=True))
    marked = failed.join(parents, on=["trace", "span"], how="left").with_columns(
        pl.col("guilty").fill_null(value=False)
    )
    excused = pl.col("excused") | pl.col("guilty")
    before = (pl.col("counted") & ~pl.col("excused")).cast(pl.Int64)
    changed = marked.with_columns(
        own_errors=(~excused).cast(pl.Int64) - before, at=pl.col("time") // WINDOW_NS * WINDOW_NS
    )
    sums = changed.filter(pl.col("own_errors") != 0).group_by("at", "who", "op").agg(pl.col("own_errors").sum())
    kept = marked.with_columns(counted=pl.lit(value=True), excused=excused).filter(pl.col("time") >= newest - CARRY_NS)
    return sums, kept.sort("time", descending=True).head(MOST_CARRIED).select(*FAILED)
