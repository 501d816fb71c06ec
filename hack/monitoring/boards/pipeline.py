"""The telemetry pipeline itself: how far it is behind, how much it handles, what it could not use, its batches."""

from boards.grafana import RED, YELLOW, Dashboard, Panel, Row
from boards.queries import Query, Sql
from boards.telemetry_sql import TIME

LAG, DEAD_SHARE = 60, 0.01
"""The limits of PrunellaTelemetryLagging (seconds) and PrunellaTelemetryDeadLetters (share)."""


def _rate(counter: str, name: str) -> Query:
    return Query(f"sum(rate(prunella_telemetry_{counter}_total[$__rate_interval]))", name)


def _batches(value: str, name: str) -> Sql:
    """A figure of the batches of each shard."""
    return Sql(f"""
        SELECT {TIME}, '{name} ' || shard AS metric, {value} AS value
        FROM telemetry_batch WHERE $__timeFilter(ts) GROUP BY 1, 2 ORDER BY 1, 2
    """)


_DEAD = "sum(increase(prunella_telemetry_dead_total[5m])) / sum(increase(prunella_telemetry_records_total[5m]))"
_SECONDS = "sum by (le) (rate(prunella_telemetry_batch_seconds_bucket[$__rate_interval]))"
_NOW = Row(
    "Now",
    (
        Panel(
            "Behind",
            (Query("max(min by (shard) (prunella_telemetry_lag_seconds))"),),
            kind="stat",
            unit="s",
            width=6,
            height=5,
            steps=((LAG, RED),),
        ),
        Panel("Items per second", (_rate("items", ""),), kind="stat", width=6, height=5),
        Panel(
            "Dead letters per record, in 5 minutes",
            (Query(f"{_DEAD} or vector(0)"),),
            kind="stat",
            unit="percentunit",
            width=6,
            height=5,
            steps=((DEAD_SHARE, RED),),
        ),
        Panel(
            "Anomalies",
            (Query("max(prunella_telemetry_anomalies)"),),
            kind="stat",
            width=6,
            height=5,
            steps=((1, YELLOW),),
        ),
    ),
)
_COURSE = Row(
    "Flow",
    (
        Panel(
            "Behind, by shard",
            (Query("min by (shard) (prunella_telemetry_lag_seconds)", "shard {{shard}}"),),
            unit="s",
            about="The dashed line is where PrunellaTelemetryLagging begins. After 300 s nothing is judged.",
            width=8,
            steps=((LAG, RED),),
            line=True,
        ),
        Panel("Items and records per second", (_rate("items", "items"), _rate("records", "records")), width=8),
        Panel(
            "Late items and dead letters per second", (_rate("late", "late"), _rate("dead", "dead letters")), width=8
        ),
    ),
)
_BATCHES = Row(
    "Batches",
    (
        Panel(
            "Time of a batch",
            (
                Query(f"histogram_quantile(0.5, {_SECONDS})", "half"),
                Query(f"histogram_quantile(0.99, {_SECONDS})", "99 in 100"),
            ),
            unit="s",
            about="From its first result to its store.",
            width=8,
        ),
        Panel("Bytes of a batch", (_batches("max(bytes)::float8", "shard"),), unit="bytes", width=8),
        Panel("Rows of a batch", (_batches("max(row_count)::float8", "shard"),), width=8),
        Panel(
            "Skewed items, and those beyond the bound of series",
            (
                _batches("sum(skewed)::float8", "skewed, shard"),
                _batches("sum(other)::float8", "beyond the bound, shard"),
            ),
            width=12,
        ),
        Panel(
            "Share of batches that were judged",
            (_batches("avg(judged::int)::float8", "shard"),),
            unit="percentunit",
            about="Others were a backlog: stored, and never acted on.",
            width=12,
            most=1,
        ),
        Panel(
            "Offsets",
            (
                Sql("""
                    SELECT topic, part AS partition, next AS "next offset", record_bytes AS "record size", updated
                    FROM telemetry_offset ORDER BY topic, part LIMIT 200
                """),
            ),
            kind="table",
            width=24,
            height=7,
            units=(("record size", "bytes"),),
        ),
    ),
)

BOARD = Dashboard(
    "prunella-telemetry-pipeline",
    "Prunella: the telemetry pipeline",
    "How far the pipeline is behind, how much it handles, what it could not use, and its batches.",
    (_NOW, _COURSE, _BATCHES),
    since="now-3h",
)
