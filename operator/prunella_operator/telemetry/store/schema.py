"""Creation of the schema: hypertables where TimescaleDB is installed, else a partition per day."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from importlib.resources import files

import asyncpg

from prunella_workflows.model.errors import Permanent

_ROWS, _MINUTES = timedelta(days=7), timedelta(days=90)
TIMED: Mapping[str, timedelta] = {
    "red": _ROWS, "red_minute": _MINUTES, "edge": _ROWS, "point": _ROWS, "log": _ROWS, "exemplar": _ROWS,
    "batch": _ROWS,
}  # fmt: skip
"""The tables whose rows belong to a time, without their common prefix, and the age at which rows are dropped."""

_LOCK = 0x70726E6C  # "prnl": one migration at a time
_FORM = "SELECT relkind::text FROM pg_class WHERE oid = to_regclass('telemetry_red_minute')"
_TABLES = frozenset({"r", "p"})


class SchemaMismatch(Permanent):
    """The database has something else in the place of a table of ours; the message names the next step."""


async def migrate(connection: asyncpg.Connection, *, use_timescale: bool = True) -> bool:
    """Create what is missing; return True if the tables are hypertables. Repeating it is harmless.

    Raises:
        SchemaMismatch: the database has something else in the place of a table.
    """
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        timescale = use_timescale and await _has_timescale(connection)
        await _refuse_view(connection)
        script = files(__package__).joinpath("schema.sql").read_text()
        by_time = "" if timescale else "PARTITION BY RANGE (ts)"
        await connection.execute(script.replace("/* BY TIME */", by_time))
        await (_make_hypertables if timescale else _index_times)(connection)
    return timescale


async def _refuse_view(connection: asyncpg.Connection) -> None:
    """Refuse a view in the place of the sums by minute, as versions before the first release made one."""
    if await connection.fetchval(_FORM) not in {None, *_TABLES}:
        raise SchemaMismatch("telemetry_red_minute is no table: rename or drop it, then start the worker again")


async def create_partitions(connection: asyncpg.Connection, days: Iterable[date], today: date) -> None:
    """Create the partitions of days, and drop those that are too old. Only for plain PostgreSQL."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        for table, kept in _tables():
            for day in days:
                await connection.execute(
                    f"CREATE TABLE IF NOT EXISTS {table}_{day:%Y%m%d} PARTITION OF {table} "
                    f"FOR VALUES FROM ('{day}T00:00:00Z') TO ('{day + timedelta(days=1)}T00:00:00Z')"
                )
            await _drop_old(connection, table, today - kept)


async def _has_timescale(connection: asyncpg.Connection) -> bool:
    offered = await connection.fetchval("SELECT count(*) FROM pg_available_extensions WHERE name = 'timescaledb'")
    if offered:
        await connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    return bool(offered)


def _tables() -> Iterator[tuple[str, timedelta]]:
    return ((f"telemetry_{name}", kept) for name, kept in TIMED.items())


async def _index_times(connection: asyncpg.Connection) -> None:
    """Make the index on times that hypertables have by themselves."""
    for table, _ in _tables():
        await connection.execute(f"CREATE INDEX IF NOT EXISTS {table}_ts_idx ON {table} (ts DESC)")


async def _make_hypertables(connection: asyncpg.Connection) -> None:
    """Make hypertables, with compression and retention if the licence has them (it is not Apache's)."""
    full = await connection.fetchval("SELECT current_setting('timescaledb.license', true)") == "timescale"
    for table, kept in _tables():
        chunk = "1 hour" if kept == _ROWS else "1 day"
        await connection.execute(
            f"SELECT create_hypertable('{table}', by_range('ts', INTERVAL '{chunk}'), if_not_exists => true)"
        )
        if full:
            await connection.execute(f"ALTER TABLE {table} SET (timescaledb.compress)")
            await connection.execute(
                f"SELECT add_compression_policy('{table}', INTERVAL '1 day', if_not_exists => true), "
                f"add_retention_policy('{table}', INTERVAL '{kept.days} days', if_not_exists => true)"
            )


async def _drop_old(connection: asyncpg.Connection, table: str, oldest: date) -> None:
    names = await connection.fetch(
        "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = $1::regclass", table
    )
    for name in (row["name"] for row in names):
        if name.rpartition("_")[2] < f"{oldest:%Y%m%d}":
            await connection.execute(f"DROP TABLE {name}")
