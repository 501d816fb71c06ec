"""Parts of the SQL of the telemetry dashboards. It runs on TimescaleDB and on plain PostgreSQL alike."""

from boards.queries import Annotation, Query, Sql

NAME = "CASE WHEN workload <> '' THEN namespace || '/' || workload ELSE service END"
"""The name of a service: its workload, if its telemetry names one."""
_BY_MINUTE = "$__interval_ms > 10000"
MINUTES = "(60 * ceil($__interval_ms / 60000.0))"
"""The time of a point, in seconds, where rows are sums of minutes."""
SECONDS = f"(CASE WHEN {_BY_MINUTE} THEN {MINUTES} ELSE 10 END)"
"""The same elsewhere: the windows of 10 s, or whole minutes."""
TIME = f"date_bin(INTERVAL '1 second' * {SECONDS}, ts, TIMESTAMPTZ '2000-01-01') AS time"
COLOURS = (
    ("Critical", "red"), ("Anomalous", "yellow"), ("Healthy", "green"), ("Learning", "blue"), ("Silent", "gray"),
)  # fmt: skip
"""The states of a service."""
REPAIRS = Annotation(
    "Repairs",
    Query("sum by (action, verdict) (increase(prunella_repairs_total[1m])) > 0", "{{action}}: {{verdict}}"),
    "blue",
)


def requests(where: str) -> str:
    """Rows of requests within the chosen time: of 10 s, or of minutes if points are far apart. One table is read."""
    columns = "ts, op, template, n, errors, buckets, counts"
    tables = (("telemetry_red", f"NOT {_BY_MINUTE}"), ("telemetry_red_minute", _BY_MINUTE))
    parts = (f"SELECT {columns} FROM {table} WHERE $__timeFilter(ts) AND {where} AND {when}" for table, when in tables)
    return f"({' UNION ALL '.join(parts)}) AS requests"


def anomalies(where: str) -> Annotation:
    """Each anomaly from its onset to its end, or to now."""
    query = f"""
        SELECT since AS time, coalesce(until, now()) AS timeend,
               kind || ' of ' || {NAME} || ', origin: ' || coalesce(nullif(origin, ''), 'unknown') AS text
        FROM telemetry_anomaly
        WHERE since <= $__timeTo() AND coalesce(until, now()) >= $__timeFrom() AND {where} ORDER BY since
    """
    return Annotation("Anomalies", Sql(query), "red")
