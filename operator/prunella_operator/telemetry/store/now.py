"""The table of services now, and the row of a batch: what dashboards show first."""

from datetime import datetime

import asyncpg

_SUMS = """
WITH recent AS MATERIALIZED (
    SELECT namespace, kind, workload, service, n, errors, buckets, counts FROM telemetry_red
    WHERE ts >= $1::timestamptz - INTERVAL '1 minute' AND ts < $1
), sums AS (
    SELECT namespace, max(kind) AS kind, workload, service, sum(n)::bigint AS n, sum(errors)::float8 AS errors
    FROM recent GROUP BY namespace, workload, service HAVING sum(n) > 0
), cumulated AS (
    SELECT namespace, workload, service, bucket,
           sum(sum(count)) OVER (PARTITION BY namespace, workload, service ORDER BY bucket) AS up_to,
           sum(sum(count)) OVER (PARTITION BY namespace, workload, service) AS total
    FROM recent, unnest(buckets, counts) AS histogram(bucket, count) GROUP BY namespace, workload, service, bucket
), p95 AS (
    SELECT namespace, workload, service, power(2, (min(bucket) + 0.5) / 8) AS ms
    FROM cumulated WHERE up_to >= 0.95 * total GROUP BY namespace, workload, service
)
INSERT INTO telemetry_now (namespace, kind, workload, service, read_to, requests, error_share, p95_ms)
SELECT namespace, kind, workload, service, $1, n, errors / n, ms FROM sums JOIN p95 USING (namespace, workload, service)
ON CONFLICT (namespace, workload, service) DO UPDATE
SET read_to = EXCLUDED.read_to, requests = EXCLUDED.requests, error_share = EXCLUDED.error_share,
    p95_ms = EXCLUDED.p95_ms
WHERE telemetry_now.read_to <= EXCLUDED.read_to
"""
_STATES = """
UPDATE telemetry_now AS row SET
    requests = CASE WHEN row.read_to < $1 THEN 0 ELSE row.requests END,
    state = CASE
        WHEN worst.critical THEN 'Critical'
        WHEN worst.critical IS NOT NULL THEN 'Anomalous'
        WHEN row.read_to < $1::timestamptz - INTERVAL '1 minute' THEN 'Silent'
        WHEN row.error_baseline IS NULL THEN 'Learning'
        ELSE 'Healthy' END,
    origin = coalesce(worst.origin, ''), since = worst.since
FROM telemetry_now AS old LEFT JOIN LATERAL (
    SELECT critical, origin, since FROM telemetry_anomaly AS anomaly
    WHERE until IS NULL AND anomaly.namespace = old.namespace AND anomaly.workload = old.workload
        AND (anomaly.service = old.service OR old.workload <> '')
    ORDER BY critical DESC, since LIMIT 1
) AS worst ON true
WHERE (row.namespace, row.workload, row.service) = (old.namespace, old.workload, old.service)
"""
_FORGET = "DELETE FROM telemetry_now WHERE read_to < $1::timestamptz - INTERVAL '1 day'"


async def update_now(connection: asyncpg.Connection, read_to: datetime) -> None:
    """Bring the table up to a time: sums of the minute before, and states by open anomalies."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('telemetry_now'))")  # shards take turns
        await connection.execute(_SUMS, read_to)
        await connection.execute(_STATES, read_to)
        await connection.execute(_FORGET, read_to)


async def read_batch(connection: asyncpg.Connection, batch: str) -> asyncpg.Record | None:
    """The row of a stored batch."""
    return await connection.fetchrow(
        "SELECT * FROM telemetry_batch WHERE batch = $1 AND ts > now() - INTERVAL '1 day' LIMIT 1", batch
    )


async def count_open(connection: asyncpg.Connection) -> int:
    """The number of anomalies that last."""
    return int(await connection.fetchval("SELECT count(*) FROM telemetry_anomaly WHERE until IS NULL"))
