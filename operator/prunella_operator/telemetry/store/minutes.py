"""Sums by minute, which each batch adds to: dashboards ask them for long times, and they are kept for longer."""

from collections.abc import Iterable

import asyncpg
import polars as pl

from prunella_operator.telemetry.store.rows import NS, to_arrays

_MINUTE_NS = 60 * NS
_BY = ("at", "namespace", "kind", "workload", "service", "op", "template")
_SUMS = ("n", "errors", "own_errors", "sum_ms")
_HISTOGRAM = ("buckets", "counts")
_ADD = """
INSERT INTO telemetry_red_minute AS old
    (shard, ts, namespace, kind, workload, service, op, template, n, errors, own_errors, sum_ms, buckets, counts)
SELECT $1, to_timestamp(at), namespace, kind, workload, service, op, template, n, errors, own_errors, sum_ms,
       buckets::smallint[], counts::integer[]
FROM unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bigint[],
            $10::bigint[], $11::bigint[], $12::float8[], $13::text[], $14::text[])
    AS new(at, namespace, kind, workload, service, op, template, n, errors, own_errors, sum_ms, buckets, counts)
ON CONFLICT (namespace, service, ts, kind, workload, op, template, shard) DO UPDATE SET
    n = old.n + EXCLUDED.n, errors = old.errors + EXCLUDED.errors,
    own_errors = old.own_errors + EXCLUDED.own_errors, sum_ms = old.sum_ms + EXCLUDED.sum_ms,
    (buckets, counts) = (
        SELECT coalesce(array_agg(bucket ORDER BY bucket), '{}'), coalesce(array_agg(total ORDER BY bucket), '{}')
        FROM (
            SELECT bucket, sum(count)::integer AS total
            FROM unnest(old.buckets || EXCLUDED.buckets, old.counts || EXCLUDED.counts) AS cells(bucket, count)
            GROUP BY bucket
        ) AS merged
    )
"""


async def add(connection: asyncpg.Connection, shard: int, rows: Iterable[pl.DataFrame]) -> None:
    """Add rows of telemetry_red to the sums of their minutes."""
    sums = to_minutes(rows)
    seconds = (sums["at"] // NS).to_list()
    await connection.execute(_ADD, shard, seconds, *to_arrays(sums, (*_BY[1:], *_SUMS, *_HISTOGRAM)))


def to_minutes(rows: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """The sums of rows of telemetry_red by minute (`at`, ns), in an order that all batches share.

    The histogram of all operations together is in a row with an empty `op`.
    """
    every = pl.concat([frame.select(*_BY, *_SUMS, *_HISTOGRAM) for frame in rows]).lazy()
    every = every.with_columns(at=pl.col("at") // _MINUTE_NS * _MINUTE_NS)
    sums = every.group_by(_BY).agg(pl.col(_SUMS).sum())
    cells = every.with_columns(op=pl.lit("")).select(*_BY, *_HISTOGRAM).explode(_HISTOGRAM).drop_nulls()
    counted = cells.group_by(*_BY, "buckets").agg(pl.col("counts").sum()).sort("buckets")
    histograms = counted.group_by(_BY, maintain_order=True).agg(_HISTOGRAM)
    joined = sums.join(histograms, on=_BY, how="full", coalesce=True)
    return joined.with_columns(pl.col(_SUMS).fill_null(0), pl.col(_HISTOGRAM).fill_null([])).sort(_BY).collect()
