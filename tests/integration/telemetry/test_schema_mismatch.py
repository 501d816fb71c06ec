"""A database that has a view in the place of the sums by minute: refused, and nothing is changed."""

import asyncpg
import pytest

from prunella_operator.telemetry.store.schema import SchemaMismatch, migrate

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]
NAME = "telemetry_red_minute"


@pytest.mark.parametrize("kind", ["VIEW", "MATERIALIZED VIEW"])
async def test_a_view_of_that_name_is_left_as_it_is(database, kind):
    connection = await asyncpg.connect(database)
    await connection.execute(f"CREATE {kind} {NAME} AS SELECT 1 AS number")
    with pytest.raises(SchemaMismatch, match="rename or drop it, then start the worker again"):
        await migrate(connection)
    assert await connection.fetchval(f"SELECT number FROM {NAME}") == 1
    assert await connection.fetchval("SELECT to_regclass('telemetry_red')") is None
    await connection.execute(f"DROP {kind} {NAME}")
    await migrate(connection)
    assert await connection.fetchval(f"SELECT count(*) FROM {NAME}") == 0
    await connection.close()
