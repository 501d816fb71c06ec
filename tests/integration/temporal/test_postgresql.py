"""manifests/temporal for real, without Kubernetes: PostgreSQL, the schema Job, the four parts of Temporal's server.

What the manifests say is what runs; only addresses, paths and passwords are this machine's.
"""

import asyncio
import re
import time
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from builders import INCIDENT
from localcluster import sources
from support.temporal_postgresql import PARTS, TemporalOnPostgreSQL
from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode
from workflow.healing_env import HEALED, SETTLING, ScriptedActivities, healing_worker, start_incident

from prunella_operator.temporal import backlog
from prunella_operator.temporal import client as temporal
from prunella_workflows.model.incident_status import Phase

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300, func_only=True)]  # a first build takes minutes

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "temporal.md"
NAMES = ("temporal", "temporal_visibility")
VERSION = re.search(r"go.temporal.io/server v(\S+)", (sources.TEMPORAL.folder / "go.mod").read_text())[1]
OLDER = """
for pair in "older temporal 1.18" "older_visibility visibility 1.13"; do
  set -- $pair
  sql="temporal-sql-tool --plugin $DB --endpoint $POSTGRES_SEEDS --port $DB_PORT --user $POSTGRES_USER --database $1"
  $sql create-database
  $sql setup-schema --version 0.0
  $sql update-schema --schema-name postgresql/v12/$2 --version $3
done
"""
OURS = "WorkflowType = 'SelfHealing'"


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    with TemporalOnPostgreSQL(tmp_path_factory.mktemp("temporal")).opened() as made:
        yield made


class Gate(ScriptedActivities):
    """Activities whose second verification blocks until it is released: the middle of a run."""

    def __init__(self):
        self.reached, self.passed = asyncio.Event(), asyncio.Event()
        super().__init__(verify=[SETTLING, self.gate, HEALED])

    async def gate(self, _request):
        self.reached.set()
        await self.passed.wait()
        return SETTLING


@asynccontextmanager
async def in_the_middle(processes, uid):
    """A new run whose repair is made and being verified."""
    activities, client = Gate(), await processes.client()
    async with healing_worker(client, activities):
        handle = await start_incident(client, incident=INCIDENT.model_copy(update={"uid": uid}))
        await asyncio.wait_for(activities.reached.wait(), 60)
        yield handle, activities


async def end_of(handle):
    """The result. While shards move, responses may be missing for longer than a client retries by itself: ask again."""
    while True:
        try:
            return await handle.result()
        except RPCError as error:
            if error.status not in (RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED):
                raise
            await asyncio.sleep(0.5)


async def heals(handle, activities):
    """It heals, and each activity that writes or notifies is requested once."""
    status = await asyncio.wait_for(end_of(handle), 120)
    assert (status.phase, status.reason) == (Phase.HEALED, "Stable")
    assert [name for name in activities.order if name != "verify"] == ["confirm", "diagnose", "repair", "close"]


async def kinds(handle):
    """The types of the events in its history so far."""
    return [event.event_type for event in (await handle.fetch_history()).events]


async def until_found(processes, query, expected):
    """Wait for Temporal's index, which is updated with a delay."""
    client, found = await processes.client(), set()
    for _ in range(100):
        found = {(workflow.id, workflow.status) async for workflow in client.list_workflows(query)}
        if found == expected:
            return
        await asyncio.sleep(0.1)
    assert found == expected


# The way of a run


async def test_a_run_outlives_the_servers_and_the_database(processes):
    async with in_the_middle(processes, "uid-killed") as (handle, activities):
        before = await kinds(handle)
        await asyncio.to_thread(processes.kill)
        with pytest.raises(RPCError):
            await handle.describe(rpc_timeout=timedelta(seconds=1))
        await asyncio.to_thread(processes.database.crash)
        await asyncio.to_thread(processes.database.start)
        assert "automatic recovery in progress" in processes.database_pod.log.read_text()
        await asyncio.to_thread(processes.start)
        assert (await kinds(handle))[: len(before)] == before, "nothing that was written down is lost"
        activities.passed.set()
        await heals(handle, activities)
        assert (await handle.describe()).run_id == handle.first_execution_run_id


async def test_the_database_alone_is_restarted(processes):
    async with in_the_middle(processes, "uid-database") as (handle, activities):
        await asyncio.to_thread(processes.database.stop)
        await asyncio.to_thread(processes.database.start)
        activities.passed.set()
        await heals(handle, activities)
    assert all(server.running for server in processes.servers.values())


async def test_another_history_server_takes_over(processes):
    """The run begins while one server has all shards, so its shard must move."""
    second = processes.server("history", as_name="history-2")
    try:
        async with in_the_middle(processes, "uid-history") as (handle, activities):
            second.start()
            await asyncio.to_thread(second.wait_ready)
            await asyncio.to_thread(processes.servers["history"].kill)
            activities.passed.set()
            await heals(handle, activities)
    finally:
        await asyncio.to_thread(processes.start)
        await asyncio.to_thread(second.stop)


def of_the_page(section, program):
    """The commands of docs/temporal.md that run a program in the database's pod, without `kubectl exec`."""
    text = PAGE.read_text().partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return [line.partition(" -- ")[2] for line in text.splitlines() if f" -- {program} " in line]


async def test_a_run_goes_on_from_a_backup(processes):
    """The backup is made while everything runs; later steps are repeated after the restore, without a second write."""
    dumps, restores = of_the_page("Backup", "pg_dump"), of_the_page("Backup", "pg_restore")
    assert (len(dumps), len(restores)) == (2, 2)
    async with in_the_middle(processes, "uid-backup") as (handle, activities):
        for command in dumps:
            processes.database.run("sh", "-euc", command)
        activities.passed.set()
        await heals(handle, activities)
        await asyncio.to_thread(processes.kill)
        for command in restores:
            processes.database.run("sh", "-euc", command)
        await asyncio.to_thread(processes.start)
        assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
        status = await asyncio.wait_for(end_of(handle), 120)
        assert status.phase is Phase.HEALED
        assert len(activities.writes) == 1


async def test_what_prunella_asks_is_answered(processes):
    ours = ("incident-uid-asked", WorkflowExecutionStatus.RUNNING)
    mine = f"{OURS} AND WorkflowId = '{ours[0]}'"
    async with in_the_middle(processes, "uid-asked") as (handle, activities):
        await until_found(processes, f"{mine} AND ExecutionStatus = 'Running'", {ours})
        activities.passed.set()
        await heals(handle, activities)
    await until_found(processes, f"{mine} AND ExecutionStatus = 'Running'", set())
    await until_found(processes, mine, {(ours[0], WorkflowExecutionStatus.COMPLETED)})
    await backlog.measure(await processes.client(), "prunella-test")
    assert backlog.DEPTH.labels("prunella-test", "workflow")._value.get() == 0
    assert await asyncio.to_thread(temporal.probe, processes.settings) == (
        f"{processes.settings.temporal_target} runs server {VERSION}, namespace prunella exists"
    )


# Databases and schemas


def schemas(processes, *names):
    return [processes.database.ask("SELECT curr_version FROM schema_version", name) for name in names]


def tables(processes, name):
    return processes.database.ask("SELECT * FROM schema_update_history ORDER BY update_time", name)


def test_the_schema_job_may_run_again(processes):
    before = [tables(processes, name) for name in NAMES]
    processes.job("temporal-schema")
    assert [tables(processes, name) for name in NAMES] == before
    assert all(before)


def test_the_namespace_job_may_run_again_with_another_retention(processes):
    said = processes.job("temporal-namespace", RETENTION="240h")
    assert "updat" in said
    processes.job("temporal-namespace")
    show = ("temporal", "operator", "namespace", "describe", "--namespace", "prunella", "--output", "json")
    assert '"workflowExecutionRetentionTtl": "2592000s"' in processes.pod("Job", "temporal-namespace").run(*show)


def test_a_server_does_not_start_on_an_older_schema(processes):
    older = {"DBNAME": "older", "VISIBILITY_DBNAME": "older_visibility"}
    processes.pod("Job", "temporal-schema", **older).run("sh", "-euc", OLDER)
    server = processes.server("frontend", as_name="frontend-newer", **older)
    server.start()
    assert server.wait(60) != 0
    assert "Expected version: 1.19 cannot be greater than Actual version: 1.18" in server.tail()
    processes.job("temporal-schema", **older)
    assert schemas(processes, *older.values()) == schemas(processes, *NAMES)
    server.start()
    server.wait_ready()
    assert server.stop() == 0


def test_temporals_role_may_make_databases_and_nothing_else(processes):
    columns = "rolcreatedb, rolsuper, rolcreaterole, rolreplication, rolbypassrls"
    assert processes.database.ask(f"SELECT {columns} FROM pg_roles WHERE rolname = 'temporal'") == [
        ["t", "f", "f", "f", "f"]
    ]


def test_a_pod_has_no_more_connections_than_its_share(processes):
    query = "SELECT client_addr, count(*) FROM pg_stat_activity WHERE usename = 'temporal' GROUP BY client_addr"
    settings = processes.servers["frontend"].environment
    share = int(settings["SQL_MAX_CONNS"]) + int(settings["SQL_VIS_MAX_CONNS"])
    counts = [int(count) for _, count in processes.database.ask(query)]
    assert 0 < sum(counts) <= share * len(PARTS)


# The server


async def test_the_frontend_says_what_its_readiness_probe_asks_for(processes):
    probe = processes.servers["frontend"].container["readinessProbe"]["grpc"]
    client = await processes.client()
    assert client.service_client.config.target_host.endswith(f":{probe['port']}")
    assert await client.service_client.check_health(service=probe["service"])


def test_the_dynamic_settings_are_known(processes):
    file = processes.servers["frontend"].mounted("/etc/temporal/dynamic") / "dynamic.yaml"
    said = processes.servers["frontend"].run("temporal-server", "validate-dynamic-config", str(file))
    assert "error" not in said
    assert "warning" not in said


def test_a_part_that_is_asked_to_end_does_so_in_time(processes):
    worker = processes.servers["worker"]
    grace = processes.manifests.pod("Deployment", worker.name)["terminationGracePeriodSeconds"]
    began = time.monotonic()
    assert worker.stop() == 0
    assert time.monotonic() - began < grace
    worker.start()
    worker.wait_ready()
