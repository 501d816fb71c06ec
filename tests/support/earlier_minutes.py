"""The sums by minute as an earlier version made them: a view, or TimescaleDB's continuous aggregate."""

NAME = "telemetry_red_minute"
_SELECT = """
SELECT {bin} AS ts, namespace, workload, service, op, template,
       sum(n) AS n, sum(errors) AS errors, sum(own_errors) AS own_errors, sum(sum_ms) AS sum_ms
FROM telemetry_red GROUP BY 1, 2, 3, 4, 5, 6
"""
_BUCKET = "time_bucket(INTERVAL '1 minute', ts)"
_BIN = "date_bin(INTERVAL '1 minute', ts, TIMESTAMPTZ '2000-01-01')"
PLAIN = f"CREATE VIEW {NAME} AS {_SELECT.format(bin=_BIN)}"
_OPTIONS = "timescaledb.continuous, timescaledb.materialized_only = false"
AGGREGATE = f"CREATE MATERIALIZED VIEW {NAME} WITH ({_OPTIONS}) AS {_SELECT.format(bin=_BUCKET)} WITH NO DATA"
POLICIES = f"""
SELECT add_continuous_aggregate_policy('{NAME}', start_offset => INTERVAL '6 hours',
           end_offset => INTERVAL '2 minutes', schedule_interval => INTERVAL '1 minute'),
       add_retention_policy('{NAME}', INTERVAL '90 days')
"""
_WINDOWS = """
INSERT INTO telemetry_red (ts, batch, namespace, kind, workload, service, op, pod, pod_uid, node, template,
                           n, errors, own_errors, sum_ms, buckets, counts)
SELECT ts + make_interval(secs => 10 * number), 'batch', 'shop', 'Deployment', 'web', 'web', 'GET /', 'web-1', 'uid',
       'node-1', 'hash', 10, 1, 1, 120, '{24}', '{10}'
FROM unnest($1::timestamptz[]) AS ts, generate_series(0, 5) AS number
"""
_SERVICE = """
INSERT INTO telemetry_now (namespace, kind, workload, service, read_to)
VALUES ('shop', 'Deployment', 'web', 'web', now()) ON CONFLICT DO NOTHING
"""


async def fill(connection, minutes):
    """Insert a service with a row in each window of these minutes."""
    await connection.execute(_WINDOWS, minutes)
    await connection.execute(_SERVICE)
