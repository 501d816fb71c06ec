"""Sums by minute of an earlier version, where `telemetry_red_minute` was a view or a continuous aggregate."""

from datetime import date

import asyncpg

from prunella_workflows.model.errors import Permanent

_NAME, _EARLIER = "telemetry_red_minute", "telemetry_red_minute_earlier"
_SECONDS = 3600.0
"""Ninety days of many services are copied."""

_COLUMNS = {"ts", "namespace", "workload", "service", "op", "template", "n", "errors", "own_errors", "sum_ms"}
_COLUMNS_OF = "SELECT array_agg(attname::text) FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0"
_IS_AGGREGATE = "SELECT count(*) > 0 FROM timescaledb_information.continuous_aggregates WHERE view_name = $1"
_DAYS = "SELECT DISTINCT (ts AT TIME ZONE 'UTC')::date AS day FROM telemetry_red_minute_earlier"
_COPY = """
INSERT INTO telemetry_red_minute
    (shard, ts, namespace, kind, workload, service, op, template, n, errors, own_errors, sum_ms, buckets, counts)
SELECT 0, ts, namespace, coalesce(telemetry_now.kind, ''), workload, service, op, template,
       n, errors, own_errors, sum_ms, '{}', '{}'
FROM telemetry_red_minute_earlier LEFT JOIN telemetry_now USING (namespace, workload, service)
"""


class SchemaMismatch(Permanent):
    """The database has something else in the place of a table of ours; the message names the next step."""


async def set_aside(connection: asyncpg.Connection) -> bool:
    """Rename what an earlier version has made, so that the table can be created; return True if there was something.

    Raises:
        SchemaMismatch: something else has the table's name.
    """
    form = await connection.fetchval("SELECT relkind::text FROM pg_class WHERE oid = to_regclass($1)", _NAME)
    if form in {None, "r", "p"}:
        return False
    if form != "v" or not set(await connection.fetchval(_COLUMNS_OF, _NAME)) >= _COLUMNS:
        raise SchemaMismatch(f"{_NAME} is no table, and nothing of ours: rename it, then start the worker again")
    await connection.execute("LOCK TABLE telemetry_red IN SHARE MODE")
    await connection.execute(f"ALTER {await _kind(connection, _NAME)} {_NAME} RENAME TO {_EARLIER}")
    return True


async def days(connection: asyncpg.Connection) -> list[date]:
    """The days with sums that were set aside."""
    return [row["day"] for row in await connection.fetch(_DAYS, timeout=_SECONDS)]


async def take_over(connection: asyncpg.Connection) -> None:
    """Copy the sums into the table, and drop what they were in. Histograms were not kept.

    Raises:
        SchemaMismatch: something else is made of it.
    """
    await connection.execute(_COPY, timeout=_SECONDS)
    try:
        await connection.execute(f"DROP {await _kind(connection, _EARLIER)} {_EARLIER}")
    except asyncpg.DependentObjectsStillExistError as error:
        advice = "drop what is made of it, then start the worker again"
        raise SchemaMismatch(f"the view {_NAME} becomes a table: {advice}: {error.detail}") from error


async def _kind(connection: asyncpg.Connection, name: str) -> str:
    """The form of a view, as statements name it."""
    has_aggregates = await connection.fetchval("SELECT to_regclass('timescaledb_information.continuous_aggregates')")
    is_aggregate = has_aggregates and await connection.fetchval(_IS_AGGREGATE, name)
    return "MATERIALIZED VIEW" if is_aggregate else "VIEW"
