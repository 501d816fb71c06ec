"""One service: its requests, errors and durations, its pods, who calls it and whom it calls, its logs and traces."""

from boards.grafana import Dashboard, Panel, Row, Variable
from boards.queries import DATABASE, Sql
from boards.telemetry_sql import REPAIRS, SECONDS, TIME, anomalies, requests

_CHOSEN = "namespace = ${namespace:sqlstring} AND service = ${service:sqlstring}"
_HERE = f"$__timeFilter(ts) AND {_CHOSEN}"
_REQUESTS = requests(_CHOSEN)
_BY_POD = f"telemetry_red WHERE {_HERE}"


def _shares(by: str, of: str = _REQUESTS) -> Sql:
    """Errors per request, by a column."""
    return Sql(f"""
        SELECT {TIME}, {by} AS metric, sum(errors)::float8 / sum(n) AS value
        FROM {of} GROUP BY 1, 2 HAVING sum(n) > 0 ORDER BY 1, 2
    """)


def _usual(column: str) -> Sql:
    """The value learnt before any anomaly that lasts, as a line over the whole time."""
    return Sql(f"""
        SELECT time, 'usually' AS metric, max({column}) AS value
        FROM telemetry_now CROSS JOIN generate_series(
            $__timeFrom()::timestamptz, $__timeTo()::timestamptz, INTERVAL '1 second' * {SECONDS}
        ) AS points(time)
        WHERE {_CHOSEN} AND {column} IS NOT NULL GROUP BY time ORDER BY time
    """)


def _calls(own: str, other: str) -> Sql:
    """Calls with another side: how many, how many failed, and the time between the spans of both."""
    return Sql(f"""
        SELECT {other} AS service, sum(n)::bigint AS calls, sum(errors)::float8 / sum(n) AS errors,
               sum(lost)::float8 / sum(n) AS unanswered, sum(gap_ms) / sum(n) AS gap
        FROM telemetry_edge
        WHERE $__timeFilter(ts) AND {own}_namespace = ${{namespace:sqlstring}} AND {own} = ${{service:sqlstring}}
        GROUP BY {other} HAVING sum(n) > 0 ORDER BY calls DESC LIMIT 50
    """)


_DURATIONS = f"""
    WITH cells AS (
        SELECT {TIME}, bucket, sum(count) AS n FROM {_REQUESTS}, unnest(buckets, counts) AS histogram(bucket, count)
        GROUP BY 1, 2
    ), cumulated AS (
        SELECT time, bucket, sum(n) OVER (PARTITION BY time ORDER BY bucket) AS up_to,
               sum(n) OVER (PARTITION BY time) AS total FROM cells
    )
    SELECT time, name AS metric, power(2, (min(bucket) + 0.5) / 8) AS value
    FROM cumulated CROSS JOIN (VALUES (0.5, 'half'), (0.95, '95 in 100')) AS wanted(share, name)
    WHERE up_to >= share * total GROUP BY time, name ORDER BY time, name
"""
_GAPS = (("errors", "percentunit"), ("unanswered", "percentunit"), ("gap", "ms"))
_RED = Row(
    "Requests, errors and durations",
    (
        Panel(
            "Requests per second by operation",
            (
                Sql(f"""
                    SELECT {TIME}, op AS metric, sum(n)::float8 / {SECONDS} AS value
                    FROM {_REQUESTS} WHERE op <> '' GROUP BY 1, 2 ORDER BY 1, 2
                """),
            ),
            width=8,
            stacked=True,
        ),
        Panel(
            "Error share",
            (_shares("'now'"), _usual("error_baseline")),
            unit="percentunit",
            width=8,
        ),
        Panel("Durations", (Sql(_DURATIONS), _usual("p95_baseline_ms")), unit="ms", width=8),
    ),
)
_PARTS = Row(
    "Which part of it",
    (
        Panel("Error share by pod", (_shares("pod", _BY_POD),), unit="percentunit", width=8),
        Panel(
            "Error share by pod template hash",
            (_shares("template"),),
            unit="percentunit",
            about="A release has a new hash.",
            width=8,
        ),
        Panel(
            "Use of limits",
            (
                Sql(f"""
                    SELECT {TIME}, split_part(split_part(metric, '_limit', 1), '.', 3) || ' ' || pod AS metric,
                           sum(total) / sum(n) AS value
                    FROM telemetry_point WHERE {_HERE} AND metric LIKE '%limit_utilization'
                    GROUP BY 1, 2 ORDER BY 1, 2
                """),
            ),
            unit="percentunit",
            width=8,
        ),
    ),
)
_CALLS = Row(
    "Calls",
    (
        Panel("Called by", (_calls("callee", "caller"),), kind="table", height=6, units=_GAPS),
        Panel("Calls", (_calls("caller", "callee"),), kind="table", height=6, units=_GAPS),
    ),
)
_DETAILS = Row(
    "Logs, traces and anomalies",
    (
        Panel(
            "Log records by pattern",
            (
                Sql(f"""
                    SELECT severity, pattern, sum(n)::bigint AS records, max(ts) AS last, min(trace_id) AS trace
                    FROM telemetry_log WHERE {_HERE} GROUP BY 1, 2 ORDER BY severity NOT IN ('ERROR', 'FATAL'), 3 DESC
                    LIMIT 50
                """),
            ),
            kind="table",
            width=24,
            height=6,
            colours=(("FATAL", "red"), ("ERROR", "red"), ("WARN", "yellow")),
        ),
        Panel(
            "Traces that failed or were slowest",
            (
                Sql(f"""
                    SELECT ts AS time, op, pod, trace_id AS trace, failed, ms AS duration
                    FROM telemetry_exemplar WHERE {_HERE} ORDER BY failed DESC, ms DESC LIMIT 50
                """),
            ),
            kind="table",
            width=14,
            units=(("duration", "ms"),),
        ),
        Panel(
            "Anomalies of the last 90 days",
            (
                Sql(f"""
                    SELECT since, until, kind, coalesce(nullif(origin, ''), 'unknown') AS origin, critical,
                           left(fingerprint, 8) AS id
                    FROM telemetry_anomaly WHERE {_CHOSEN} AND since > now() - INTERVAL '90 days'
                    ORDER BY since DESC LIMIT 50
                """),
            ),
            kind="table",
            width=10,
        ),
    ),
)

BOARD = Dashboard(
    "prunella-telemetry-service",
    "Prunella: one service",
    "One service by its own telemetry: requests, errors, durations, the part that is bad, calls, logs and traces.",
    (_RED, _PARTS, _CALLS, _DETAILS),
    (
        Variable("namespace", "Namespace", "SELECT DISTINCT namespace FROM telemetry_now ORDER BY 1", DATABASE),
        Variable(
            "service",
            "Service",
            "SELECT DISTINCT service FROM telemetry_now WHERE namespace = ${namespace:sqlstring} ORDER BY 1",
            DATABASE,
        ),
    ),
    since="now-1h",
    annotations=(anomalies(_CHOSEN), REPAIRS),
)
