"""The embedded Temporal server, for real: it is a local program, so no marker."""

import asyncio
import os
import signal
import socket

import pytest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest

from prunella_operator.config.settings import Settings
from prunella_operator.temporal import client as temporal
from prunella_operator.temporal.client import EmbeddedTemporal, connect
from prunella_operator.temporal.dev_server import ServerFailed

pytestmark = pytest.mark.timeout(90)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def settings(tmp_path):
    return Settings(
        temporal_address="embedded",
        temporal_port=free_port(),
        temporal_ui_port=free_port(),
        temporal_db=str(tmp_path / "state" / "temporal.db"),
        temporal_namespace="healing",
    )


async def start_one(settings):
    client = await connect(settings, lazy=False)
    await client.start_workflow("Anything", id="kept", task_queue="no-worker")


async def finds_it(settings):
    client = await connect(settings, lazy=False)
    return (await client.get_workflow_handle("kept").describe()).id == "kept"


async def until_other_pid(server, pid):
    for _ in range(200):
        if server.pid != pid and server.answering:
            return
        await asyncio.sleep(0.1)
    pytest.fail("the server did not come back")


async def test_serves_the_namespace_and_comes_back_after_sigkill_with_its_data(settings):
    async with EmbeddedTemporal(settings) as server:
        client = await connect(settings, lazy=False)
        await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace="healing"))
        await start_one(settings)
        pid = server.pid
        os.kill(pid, signal.SIGKILL)
        await until_other_pid(server, pid)
        assert await finds_it(settings)
        last = server.pid
    with pytest.raises(ProcessLookupError):
        os.kill(last, 0)


async def test_a_second_start_on_the_same_file_knows_the_first(settings):
    async with EmbeddedTemporal(settings):
        await start_one(settings)
    async with EmbeddedTemporal(settings):
        assert await finds_it(settings)


async def test_a_used_port_is_refused_with_advice(settings):
    with socket.socket() as other:
        other.bind(("127.0.0.1", settings.temporal_port))
        other.listen()
        with pytest.raises(ServerFailed, match=r"prunella run --temporal 127\.0\.0\.1:\d+"):
            await EmbeddedTemporal(settings).__aenter__()


async def test_a_server_that_ends_at_once_is_quoted(settings, tmp_path):
    (tmp_path / "folder").mkdir()
    broken = settings.model_copy(update={"temporal_db": str(tmp_path / "folder")})
    with pytest.raises(ServerFailed, match="exited with code 1") as failed:
        await EmbeddedTemporal(broken).__aenter__()
    assert "folder" in str(failed.value) or "database" in str(failed.value)


async def test_a_server_that_does_not_answer_in_time_is_ended(settings, monkeypatch):
    monkeypatch.setattr(temporal, "START_TIMEOUT_SECONDS", 0.01)
    with pytest.raises(ServerFailed, match="did not answer"):
        await EmbeddedTemporal(settings).__aenter__()


async def test_a_lazy_client_needs_no_server(settings):
    assert (await connect(settings)).namespace == "healing"
