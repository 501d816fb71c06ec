"""The services now: how many are how, the worst of them, and the anomalies that last."""

from boards.grafana import RED, YELLOW, Dashboard, Panel, Row
from boards.queries import Sql
from boards.telemetry_sql import COLOURS, MINUTES, NAME, REPAIRS, anomalies

_TIME = f"date_bin(INTERVAL '1 second' * {MINUTES}, ts, TIMESTAMPTZ '2000-01-01') AS time"
_WORST = """
    (SELECT namespace, workload, service FROM telemetry_now
     ORDER BY error_share - coalesce(error_baseline, 0) DESC, requests DESC LIMIT 10)
"""
_COUNTS = Row(
    "Now",
    (
        Panel(
            "Services by state",
            (
                Sql(
                    "SELECT now() AS time, state AS metric, count(*)::float8 AS value"
                    " FROM telemetry_now GROUP BY state ORDER BY state"
                ),
            ),
            kind="stat",
            now=True,
            width=12,
            base="text",
            height=5,
        ),
        Panel(
            "Anomalies",
            (
                Sql(
                    "SELECT now() AS time, '' AS metric, count(*)::float8 AS value"
                    " FROM telemetry_anomaly WHERE until IS NULL"
                ),
            ),
            kind="stat",
            now=True,
            width=4,
            height=5,
            steps=((1, YELLOW),),
        ),
        Panel(
            "Critical anomalies",
            (
                Sql(
                    "SELECT now() AS time, '' AS metric, count(*)::float8 AS value"
                    " FROM telemetry_anomaly WHERE until IS NULL AND critical"
                ),
            ),
            kind="stat",
            now=True,
            width=4,
            height=5,
            steps=((1, RED),),
        ),
        Panel(
            "Requests per second",
            (
                Sql(
                    "SELECT now() AS time, '' AS metric, coalesce(sum(requests), 0)::float8 / 60 AS value"
                    " FROM telemetry_now"
                ),
            ),
            kind="stat",
            now=True,
            width=4,
            height=5,
        ),
    ),
)
_TABLES = Row(
    "The worst first",
    (
        Panel(
            "Services in the last minute",
            (
                Sql(f"""
                    SELECT {NAME} AS service, state, requests, error_share AS errors, error_baseline AS "usual errors",
                           p95_ms AS p95, p95_baseline_ms AS "usual p95", origin, since
                    FROM telemetry_now
                    ORDER BY array_position(ARRAY['Critical', 'Anomalous'], state),
                             error_share - coalesce(error_baseline, 0) DESC, requests DESC
                    LIMIT 100
                """),
            ),
            kind="table",
            width=24,
            height=11,
            units=(("errors", "percentunit"), ("usual errors", "percentunit"), ("p95", "ms"), ("usual p95", "ms")),
            colours=COLOURS,
        ),
        Panel(
            "Anomalies that last, or ended within the chosen time",
            (
                Sql(f"""
                    SELECT since, until, kind, {NAME} AS service,
                           coalesce(nullif(origin, ''), 'unknown') AS origin, critical, left(fingerprint, 8) AS id
                    FROM telemetry_anomaly WHERE until IS NULL OR $__timeFilter(until)
                    ORDER BY until IS NULL DESC, critical DESC, since DESC LIMIT 100
                """),
            ),
            kind="table",
            about="`prunella telemetry explain ID` has the calls, the logs and traces to look at.",
            width=24,
            height=8,
        ),
    ),
)
_COURSE = Row(
    "How it went",
    (
        Panel(
            "Error share of the ten worst",
            (
                Sql(f"""
                    SELECT {_TIME}, {NAME} AS metric, sum(errors)::float8 / sum(n) AS value
                    FROM telemetry_red_minute JOIN {_WORST} AS worst USING (namespace, workload, service)
                    WHERE $__timeFilter(ts) GROUP BY 1, 2 HAVING sum(n) > 0 ORDER BY 1, 2
                """),
            ),
            unit="percentunit",
        ),
        Panel(
            "Requests per second of all services",
            (
                Sql(f"""
                    SELECT {_TIME},
                           CASE WHEN failed THEN 'failed' ELSE 'succeeded' END AS metric,
                           sum(CASE WHEN failed THEN errors ELSE n - errors END)::float8 / {MINUTES} AS value
                    FROM telemetry_red_minute CROSS JOIN (VALUES (true), (false)) AS kinds(failed)
                    WHERE $__timeFilter(ts) GROUP BY 1, 2 ORDER BY 1, 2
                """),
            ),
            stacked=True,
        ),
    ),
)

BOARD = Dashboard(
    "prunella-telemetry-services",
    "Prunella: services now",
    "The services by their own telemetry: how they are, which are the worst, and why.",
    (_COUNTS, _TABLES, _COURSE),
    since="now-1h",
    annotations=(anomalies("true"), REPAIRS),
)
