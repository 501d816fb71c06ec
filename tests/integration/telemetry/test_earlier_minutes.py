"""A database of an earlier version, in which the sums by minute were a view, on a real PostgreSQL."""

from datetime import timedelta

import asyncpg
import pytest
from support.earlier_minutes import NAME, PLAIN, fill

from prunella_operator import clock
from prunella_operator.telemetry.store.earlier_minutes import SchemaMismatch
from prunella_operator.telemetry.store.schema import create_partitions, migrate

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]
DAYS = (0, 3, 9)
AT = clock.now().replace(hour=12, minute=0, second=0, microsecond=0)


@pytest.fixture
async def connection(database):
    """A connection to a database as the earlier version has left it."""
    found = await asyncpg.connect(database, server_settings={"timezone": "UTC"})
    await migrate(found)
    days = [(AT - timedelta(days=number)).date() for number in DAYS]
    await create_partitions(found, days, min(days))
    await found.execute(f"DROP TABLE {NAME}")
    await found.execute(PLAIN)
    await fill(found, [AT - timedelta(days=number) for number in DAYS])
    yield found
    await found.close()


async def test_sums_of_a_view_are_taken_over(connection):
    before = await connection.fetch(f"SELECT ts, service, op, n, errors, own_errors, sum_ms FROM {NAME} ORDER BY ts")
    await migrate(connection)
    found = await connection.fetch(f"SELECT ts, service, op, n, errors, own_errors, sum_ms FROM {NAME} ORDER BY ts")
    assert [tuple(row) for row in found] == [tuple(row) for row in before]
    assert [row["n"] for row in found] == [60, 60, 60]
    assert await connection.fetchval(f"SELECT array_agg(DISTINCT kind) FROM {NAME}") == ["Deployment"]
    assert await connection.fetchval("SELECT to_regclass('telemetry_red_minute_earlier')") is None
    await migrate(connection)
    assert await connection.fetchval(f"SELECT sum(n) FROM {NAME}") == 180


async def test_what_someone_made_of_the_view_is_named_and_nothing_is_changed(connection):
    await connection.execute(f"CREATE VIEW of_ours AS SELECT * FROM {NAME}")
    with pytest.raises(SchemaMismatch, match=r"start the worker again: view of_ours depends on view"):
        await migrate(connection)
    assert await connection.fetchval(f"SELECT sum(n) FROM {NAME}") == 180
    await connection.execute("DROP VIEW of_ours")
    await migrate(connection)
    assert await connection.fetchval(f"SELECT sum(n) FROM {NAME}") == 180


@pytest.mark.parametrize("kind", ["VIEW", "MATERIALIZED VIEW"])
async def test_something_else_of_that_name_is_left_as_it_is(connection, kind):
    await connection.execute(f"DROP VIEW {NAME}")
    await connection.execute(f"CREATE {kind} {NAME} AS SELECT 1 AS number")
    with pytest.raises(SchemaMismatch, match=r"nothing of ours: rename it, then start the worker again"):
        await migrate(connection)
    assert await connection.fetchval(f"SELECT number FROM {NAME}") == 1
