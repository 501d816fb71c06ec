"""Creation of the schema: hypertables where TimescaleDB is installed, else a partition per day."""

from collections.abc import Iterable
from datetime import date, timedelta
from importlib.resources import files

import asyncpg

RETENTION = timedelta(days=7)
"""Age at which rows of 10 s are dropped."""
TIMED = ("red", "edge", "point", "log", "exemplar", "batch")
"""The tables whose rows belong to a time, without their common prefix."""

_LOCK = 0x70726E6C  # "prnl": one migration at a time
_MINUTES = """
CREATE {kind} telemetry_red_minute {options} AS
SELECT {bin} AS ts, namespace, workload, service, op, template,
       sum(n) AS n, sum(errors) AS errors, sum(own_errors) AS own_errors, sum(sum_ms) AS sum_ms
FROM telemetry_red GROUP BY 1, 2, 3, 4, 5, 6
"""


async def migrate(connection: asyncpg.Connection, *, use_timescale: bool = True) -> bool:
    """Create what is missing; return True if the tables are hypertables. Repeating it is harmless."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        timescale = use_timescale and await _has_timescale(connection)
        script = files(__package__).joinpath("schema.sql").read_text()
        by_time = "" if timescale else "PARTITION BY RANGE (ts)"
        await connection.execute(script.replace("/* BY TIME */", by_time))
        if timescale:
            await _make_hypertables(connection)
        await _make_minutes(connection, timescale)
    return timescale


async def create_partitions(connection: asyncpg.Connection, days: Iterable[date], today: date) -> None:
    """Create the partitions of days, and drop those that are too old. Only for plain PostgreSQL."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        for table in (f"telemetry_{name}" for name in TIMED):
            for day in days:
                await connection.execute(
                    f"CREATE TABLE IF NOT EXISTS {table}_{day:%Y%m%d} PARTITION OF {table} "
                    f"FOR VALUES FROM ('{day}T00:00:00Z') TO ('{day + timedelta(days=1)}T00:00:00Z')"
                )
            await _drop_old(connection, table, today - RETENTION)


async def _has_timescale(connection: asyncpg.Connection) -> bool:
    offered = await connection.fetchval("SELECT count(*) FROM pg_available_extensions WHERE name = 'timescaledb'")
    if offered:
        await connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    return bool(offered)


async def _make_hypertables(connection: asyncpg.Connection) -> None:
    """Make hypertables of 1 h chunks, with compression and retention if the licence has them (it is not Apache's)."""
    full = await connection.fetchval("SELECT current_setting('timescaledb.license', true)") == "timescale"
    for table in (f"telemetry_{name}" for name in TIMED):
        await connection.execute(
            f"SELECT create_hypertable('{table}', by_range('ts', INTERVAL '1 hour'), if_not_exists => true)"
        )
        if full:
            await connection.execute(f"ALTER TABLE {table} SET (timescaledb.compress)")
            await connection.execute(
                f"SELECT add_compression_policy('{table}', INTERVAL '1 day', if_not_exists => true), "
                f"add_retention_policy('{table}', INTERVAL '{RETENTION.days} days', if_not_exists => true)"
            )


async def _make_minutes(connection: asyncpg.Connection, timescale: bool) -> None:
    """Make telemetry_red_minute: kept for 90 days where TimescaleDB aggregates it, else a view of the rows of 10 s."""
    if await connection.fetchval("SELECT to_regclass('telemetry_red_minute')"):
        return
    if not timescale or await connection.fetchval("SELECT current_setting('timescaledb.license')") != "timescale":
        bin_ = "date_bin(INTERVAL '1 minute', ts, TIMESTAMPTZ '2000-01-01')"
        await connection.execute(_MINUTES.format(kind="VIEW", options="", bin=bin_))
        return
    options = "WITH (timescaledb.continuous, timescaledb.materialized_only = false)"
    bucket = "time_bucket(INTERVAL '1 minute', ts)"
    view = _MINUTES.format(kind="MATERIALIZED VIEW", options=options, bin=bucket)
    await connection.execute(f"{view} WITH NO DATA")
    await connection.execute(
        "SELECT add_continuous_aggregate_policy('telemetry_red_minute', start_offset => INTERVAL '6 hours', "
        "end_offset => INTERVAL '2 minutes', schedule_interval => INTERVAL '1 minute'), "
        "add_retention_policy('telemetry_red_minute', INTERVAL '90 days')"
    )


async def _drop_old(connection: asyncpg.Connection, table: str, oldest: date) -> None:
    names = await connection.fetch(
        "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = $1::regclass", table
    )
    for name in (row["name"] for row in names):
        if name.rpartition("_")[2] < f"{oldest:%Y%m%d}":
            await connection.execute(f"DROP TABLE {name}")
