"""Stored rows as frames, and the time up to which windows are complete."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import asyncpg
import polars as pl

from prunella_operator.telemetry.store.rows import COLUMNS, NS

_READ = {
    "red": "namespace, kind, workload, service, pod_uid, node, template, n, errors, own_errors, buckets, counts",
    "edge": "caller_namespace, caller_kind, caller_workload, caller, callee_namespace, callee_kind, callee_workload, "
    "callee, n, errors, lost, gap_ms",
    "log": "namespace, kind, workload, service, severity, pattern, n",
    "point": "namespace, kind, workload, service, pod_uid, node, template, metric, n, total",
    "exemplar": "namespace, kind, workload, service, trace_id, failed, ms",
}
_WHERE = {
    "log": "AND severity IN ('ERROR', 'FATAL')",
    "point": "AND metric LIKE '%limit_utilization'",
}
_TYPES = {
    "text": pl.String, "bigint": pl.Int64, "double precision": pl.Float64, "boolean": pl.Boolean,
    "smallint[]": pl.List(pl.Int16), "integer[]": pl.List(pl.Int32),
}  # fmt: skip


async def read_rows(connection: asyncpg.Connection, since: datetime, until: datetime) -> dict[str, pl.DataFrame]:
    """The stored rows of the windows from `since` on, before `until`, by table."""
    return {name: await _read(connection, name, since, until) for name in _READ}


async def read_watermark(connection: asyncpg.Connection, shard: int) -> datetime | None:
    """The time up to which the other shards are complete, but for those that have stored nothing for a minute."""
    found: datetime | None = await connection.fetchval(
        "SELECT min(watermark) FROM telemetry_watermark WHERE shard <> $1 AND updated > now() - INTERVAL '1 minute'",
        shard,
    )
    return found


async def own_watermark(connection: asyncpg.Connection, shard: int) -> datetime | None:
    """The end of the last complete window of this shard."""
    found: datetime | None = await connection.fetchval(
        "SELECT date_bin(INTERVAL '10 seconds', watermark, 'epoch') FROM telemetry_watermark WHERE shard = $1", shard
    )
    return found


async def _read(connection: asyncpg.Connection, name: str, since: datetime, until: datetime) -> pl.DataFrame:
    query = (
        f"SELECT extract(epoch FROM ts)::bigint * {NS} AS at, {_READ[name]} FROM telemetry_{name} "  # noqa: S608 - constants
        f"WHERE ts >= $1 AND ts < $2 {_WHERE.get(name, '')}"
    )
    rows = await connection.fetch(query, since, until)
    columns: Mapping[str, Any] = {
        "at": pl.Int64,
        **{one: _TYPES[COLUMNS[name][one]] for one in _READ[name].split(", ")},
    }
    return pl.DataFrame([tuple(row) for row in rows], schema=columns, orient="row")
