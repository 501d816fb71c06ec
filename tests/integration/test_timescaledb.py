"""The telemetry database's schema on real TimescaleDB code: hypertables, policies, aggregates, and what fills them."""

import json
from datetime import timedelta

import asyncpg
import pytest
from boards.write import FOLDER
from pictures import sql
from pictures.series import Window
from support.boards import rows_wanted
from support.timescaledb import TimescaleDB

from prunella_operator import clock
from prunella_operator.telemetry.store.schema import TIMED, migrate

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]  # the first time its package is fetched
INSERT = """
INSERT INTO telemetry_red (ts, batch, namespace, kind, workload, service, op, pod, pod_uid, node, template,
                           n, errors, own_errors, sum_ms, buckets, counts)
SELECT ts, 'batch', 'shop', 'Deployment', 'web', 'web', 'GET /', 'web-1', 'uid', 'node-1', 'hash',
       10, 1, 1, 120, '{24}', '{10}'
FROM unnest($1::timestamptz[]) AS ts
"""


@pytest.fixture(scope="module")
def database():
    with TimescaleDB() as running:
        yield running


@pytest.fixture
async def connection(database):
    """A connection to a database with the schema, and without rows."""
    found = await asyncpg.connect(database.dsn)
    try:
        assert await migrate(found)
        await found.execute("TRUNCATE telemetry_red")
        yield found
    finally:
        await found.close()


async def test_the_tables_are_hypertables_and_migrating_again_changes_nothing(connection):
    before = await _jobs(connection)
    assert await migrate(connection)
    assert await _jobs(connection) == before
    rows = await connection.fetch("SELECT hypertable_name FROM timescaledb_information.hypertables")
    assert {f"telemetry_{name}" for name in TIMED} <= {row["hypertable_name"] for row in rows}


async def test_every_table_by_time_is_compressed_and_dropped_by_a_job(connection):
    jobs = await _jobs(connection)
    for name in TIMED:
        assert {("policy_compression", f"telemetry_{name}"), ("policy_retention", f"telemetry_{name}")} <= jobs.keys()
    assert any(kind == "policy_refresh_continuous_aggregate" for kind, _ in jobs)


async def test_compressed_rows_add_up_with_those_that_come_late(connection):
    old = clock.now() - timedelta(days=2)
    await connection.execute(INSERT, [old + timedelta(seconds=10 * number) for number in range(6)])
    await _run(connection, "policy_compression", "telemetry_red")
    query = (
        "SELECT count(*) FROM timescaledb_information.chunks WHERE hypertable_name = 'telemetry_red' AND is_compressed"
    )
    assert await connection.fetchval(query) >= 1
    await connection.execute(INSERT, [old])
    assert await connection.fetchval("SELECT sum(n) FROM telemetry_red") == 70


async def test_rows_of_more_than_a_week_are_dropped(connection):
    now = clock.now()
    await connection.execute(INSERT, [now - timedelta(days=days) for days in (0, 3, 9, 30)])
    await _run(connection, "policy_retention", "telemetry_red")
    assert await connection.fetchval("SELECT count(*) FROM telemetry_red") == 2


async def test_minutes_have_the_sums_of_their_windows_whether_aggregated_yet_or_not(connection):
    now = clock.now()
    await connection.execute(INSERT, [now - timedelta(seconds=10 * number) for number in range(1, 361)])
    for _ in range(2):
        minutes = await connection.fetch(
            "SELECT sum(n) AS n, sum(errors) AS errors, count(*) FROM telemetry_red_minute"
        )
        assert (minutes[0]["n"], minutes[0]["errors"]) == (3600, 360)
        assert minutes[0]["count"] in (60, 61)
        await connection.execute(
            "CALL refresh_continuous_aggregate('telemetry_red_minute', NULL, now() - INTERVAL '2 min')"
        )


@pytest.mark.parametrize("path", sorted((FOLDER / "dashboards").glob("telemetry-*.json")), ids=lambda path: path.stem)
async def test_it_understands_every_query_of_the_dashboards(connection, path):
    now = clock.now()
    await connection.execute(INSERT, [now - timedelta(seconds=10 * number) for number in range(1, 361)])
    window = Window(int(now.timestamp()) - 3600, int(now.timestamp()))
    for query in rows_wanted(json.loads(path.read_text())):
        rows = await connection.fetch(sql.filled(query, window, {"namespace": "shop", "service": "web"}))
        if "telemetry_red" in query and "telemetry_now" not in query:
            assert rows, query


async def _jobs(connection):
    """The ids of the policies' jobs, by procedure and table."""
    rows = await connection.fetch("SELECT job_id, proc_name, hypertable_name FROM timescaledb_information.jobs")
    return {(row["proc_name"], row["hypertable_name"]): row["job_id"] for row in rows}


async def _run(connection, procedure, table=None):
    (job,) = [job for (name, of), job in (await _jobs(connection)).items() if name == procedure and table in {None, of}]
    await connection.execute(f"CALL run_job({job})")
