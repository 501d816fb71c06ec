"""The telemetry database's schema on real TimescaleDB code: hypertables, policies, and what fills them."""

import json
from datetime import timedelta

import asyncpg
import polars as pl
import pytest
from boards.write import FOLDER
from pictures import sql
from pictures.series import Window
from support.boards import rows_wanted
from support.timescaledb import TimescaleDB

from prunella_operator import clock
from prunella_operator.telemetry.store import minutes
from prunella_operator.telemetry.store.rows import NS
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
        await found.execute("TRUNCATE telemetry_red, telemetry_red_minute")
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


async def test_batches_add_to_their_minutes_even_if_these_are_compressed(connection):
    for _ in range(2):
        await minutes.add(connection, 0, [_rows(count=6, age=timedelta(days=3))])
    await _run(connection, "policy_compression", "telemetry_red_minute")
    chunks = "SELECT count(*) FROM timescaledb_information.chunks WHERE hypertable_name = 'telemetry_red_minute'"
    assert await connection.fetchval(f"{chunks} AND is_compressed") == 1
    await minutes.add(connection, 0, [_rows(count=6, age=timedelta(days=3))])
    found = await connection.fetch("SELECT n, errors, buckets, counts FROM telemetry_red_minute ORDER BY op")
    assert [tuple(row) for row in found] == [(0, 0, [24], [180]), (180, 18, [], [])]


async def test_minutes_are_dropped_after_ninety_days(connection):
    for days in (1, 30, 80, 100):
        await minutes.add(connection, 0, [_rows(count=1, age=timedelta(days=days))])
    await _run(connection, "policy_retention", "telemetry_red_minute")
    assert await connection.fetchval("SELECT sum(n) FROM telemetry_red_minute") == 30


@pytest.mark.parametrize("path", sorted((FOLDER / "dashboards").glob("telemetry-*.json")), ids=lambda path: path.stem)
async def test_it_understands_every_query_of_the_dashboards(connection, path):
    now = clock.now()
    await connection.execute(INSERT, [now - timedelta(seconds=10 * number) for number in range(1, 361)])
    await minutes.add(connection, 0, [_rows(count=6, age=timedelta(minutes=10))])
    window = Window(int(now.timestamp()) - 3600, int(now.timestamp()))
    for query in rows_wanted(json.loads(path.read_text())):
        rows = await connection.fetch(sql.filled(query, window, {"namespace": "shop", "service": "web"}))
        if "telemetry_red" in query and "telemetry_now" not in query:
            assert rows, query


def _rows(count, age):
    """Rows of telemetry_red as a batch has them, of one minute in the past."""
    minute = int((clock.now() - age).timestamp()) // 60 * 60
    names = {"namespace": "shop", **dict.fromkeys(("kind", "workload", "service", "op", "template"), "web")}
    sums = {"n": 10, "errors": 1, "own_errors": 1, "sum_ms": 120.0, "buckets": [24], "counts": [10]}
    rows = [{"at": (minute + 10 * number) * NS, **names, **sums} for number in range(count)]
    return pl.DataFrame(rows, schema_overrides={"buckets": pl.List(pl.Int16), "counts": pl.List(pl.Int32)})


async def _jobs(connection):
    """The ids of the policies' jobs, by procedure and table."""
    rows = await connection.fetch("SELECT job_id, proc_name, hypertable_name FROM timescaledb_information.jobs")
    return {(row["proc_name"], row["hypertable_name"]): row["job_id"] for row in rows}


async def _run(connection, procedure, table=None):
    (job,) = [job for (name, of), job in (await _jobs(connection)).items() if name == procedure and table in {None, of}]
    await connection.execute(f"CALL run_job({job})")
