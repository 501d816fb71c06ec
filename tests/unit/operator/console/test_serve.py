"""The console as a part of a process: what its index lists, and when the process is ready."""

import pytest
from fakes.apiserver import FakeApi, eventually, status
from localcluster.ports import free_ports

from prunella_operator.config.settings import Settings
from prunella_operator.console.serve import run_console
from prunella_operator.process import Process


@pytest.fixture
async def process():
    made = Process()
    yield made
    await made.stop()


def configured(namespaces=""):
    return Settings.load({"console_port": free_ports(1)[0], "namespaces": namespaces})


async def test_in_a_restricted_installation_only_its_namespaces_are_listed(process):
    async with FakeApi() as api, run_console(configured("shop,lab"), api.access, process):
        await eventually(lambda: api.watching == 2)
        listed = {asked.path.partition("/namespaces/")[2] for asked in api.of("list")}
        assert listed == {"shop/incidents", "lab/incidents"}


async def test_it_is_ready_when_the_incidents_have_been_listed(process):
    async with FakeApi() as api:
        api.lists.append(status(403, "Forbidden"))
        async with run_console(configured(), api.access, process):
            assert process.readiness()["incidents"].startswith("the first list was not read yet")
            await eventually(lambda: process.readiness() == {"incidents": ""})
