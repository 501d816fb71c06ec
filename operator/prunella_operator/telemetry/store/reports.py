"""Reports for the command line: the pipeline, the services now, and one anomaly."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from prunella_operator.config.settings import Settings
from prunella_operator.telemetry.store import anomalies
from prunella_operator.telemetry.store.database import Database, read_url
from prunella_workflows.model.errors import NotFound

Row = dict[str, Any]

_SHARDS = """
SELECT shard, max(ts) AS last_at, (array_agg(lag_seconds ORDER BY ts DESC))[1] AS lag_seconds,
       (array_agg(judged ORDER BY ts DESC))[1] AS judged, count(*) AS batches,
       sum(items)::float8 / 300 AS items_per_second, sum(bytes)::float8 / 300 AS bytes_per_second,
       sum(late)::bigint AS late, sum(skewed)::bigint AS skewed, sum(dead)::bigint AS dead, sum(other)::bigint AS other
FROM telemetry_batch WHERE ts > now() - INTERVAL '5 minutes' GROUP BY shard ORDER BY shard
"""
_STATES = "SELECT state, count(*) AS services FROM telemetry_now GROUP BY state ORDER BY state"
_TOP = """
SELECT namespace, kind, workload, service, state, requests, error_share, error_baseline, p95_ms, p95_baseline_ms,
       origin, since, read_to
FROM telemetry_now
ORDER BY array_position(ARRAY['Critical', 'Anomalous'], state), error_share - coalesce(error_baseline, 0) DESC,
         p95_ms / nullif(p95_baseline_ms, 0) DESC NULLS LAST, requests DESC
LIMIT $1
"""
_LOGS = """
SELECT pattern, sum(n)::bigint AS records, min(sample) AS sample FROM telemetry_log
WHERE severity IN ('ERROR', 'FATAL') AND namespace = $1 AND workload = $2 AND service = $3
    AND ts >= $4::timestamptz - INTERVAL '1 minute' AND ts < $4::timestamptz + INTERVAL '5 minutes'
GROUP BY pattern ORDER BY records DESC LIMIT 5
"""

_NAME = "CASE WHEN {0}workload <> '' THEN {0}namespace || '/' || {0}workload ELSE {1} END"
"""The name of a service, as origins have it."""
_SERVICES = f"""
SELECT {_NAME.format("", "service")} AS name, namespace, kind, workload, state, requests, error_share, error_baseline,
       p95_ms, p95_baseline_ms, origin, since
FROM telemetry_now
ORDER BY array_position(ARRAY['Critical', 'Anomalous'], state), requests DESC, 1
"""  # noqa: S608 - constants
_CALLS = f"""
SELECT {_NAME.format("caller_", "caller")} AS caller, {_NAME.format("callee_", "callee")} AS callee,
       sum(n)::bigint AS requests, sum(errors)::bigint AS errors
FROM telemetry_edge
WHERE ts >= (SELECT max(read_to) FROM telemetry_now) - INTERVAL '5 minutes' GROUP BY 1, 2 ORDER BY 3 DESC
"""  # noqa: S608 - constants


async def read_map(settings: Settings) -> dict[str, list[Row]]:
    """The services, the worst first, and their calls of the last five minutes."""
    async with _connection(settings) as connection:
        return {"services": await _rows(connection, _SERVICES), "calls": await _rows(connection, _CALLS)}


async def read_status(settings: Settings) -> Row:
    """The shards over the last five minutes, the services by state, and the number of anomalies that last."""
    async with _connection(settings) as connection:
        return {
            "shards": await _rows(connection, _SHARDS),
            "services": {row["state"]: row["services"] for row in await connection.fetch(_STATES)},
            "anomalies": await connection.fetchval("SELECT count(*) FROM telemetry_anomaly WHERE until IS NULL"),
        }


async def read_top(settings: Settings, limit: int) -> list[Row]:
    """The services, the worst first."""
    async with _connection(settings) as connection:
        return await _rows(connection, _TOP, limit)


async def read_anomaly(settings: Settings, fingerprint: str) -> Row:
    """The latest anomaly whose fingerprint begins so, with the error logs around its onset.

    Raises:
        NotFound: there is none.
    """
    async with _connection(settings) as connection:
        found = await anomalies.find(connection, fingerprint)
        if found is None:
            raise NotFound(f"no anomaly {fingerprint}: `prunella telemetry top` shows the services")
        subject = found.origin or found.subject
        names = (subject.namespace, subject.workload, subject.service, found.since)
        return {**found.model_dump(mode="json"), "logs": await _rows(connection, _LOGS, *names)}


@asynccontextmanager
async def _connection(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    database = Database(read_url(settings))
    try:
        async with database.connection() as connection:
            yield connection
    finally:
        await database.close()


async def _rows(connection: asyncpg.Connection, query: str, *arguments: object) -> list[Row]:
    return [dict(row) for row in await connection.fetch(query, *arguments)]
