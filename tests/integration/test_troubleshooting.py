"""The troubleshooting guide is followed: its `temporal` and `curl` commands are typed where things are as it says.

A real Temporal, a real worker and a real operator, and no Kubernetes: its API server is what is missing. What kubectl
is to be asked, tests/e2e/test_docs.py asks.
"""

import asyncio
import importlib.util
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from builders import a_request
from localcluster.ports import free_ports
from support.standalone import standalone_process
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker
from workflow.changed_workflows import Broken, CarelessSelfHealing
from workflow.healing_env import BIN

from prunella_workflows.healing.workflow import SelfHealing
from prunella_workflows.temporal.sandbox import workflow_runner

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "troubleshooting.md"
QUEUE = "prunella"
STARVED, CHANGED, BROKEN, ENDED = "incident-starved", "incident-changed", "incident-broken", "incident-ended"
STUCK = "A workflow is stuck"
WORKER = "The worker is starved"
REPLAY = "Non-determinism"
PENDING = "Pending, TemporalUnavailable"
END = "End a workflow, or start it again"
SENSOR = "The sensor is blind, or readyz says 503"

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

spec = importlib.util.spec_from_file_location("docs_pages", ROOT / "docs" / "pages.py")
pages = importlib.util.module_from_spec(spec)
sys.modules["docs_pages"] = pages  # dataclasses look their module up
spec.loader.exec_module(pages)


def commands(section):
    """The commands of a section, except those of kubectl and Prunella itself."""
    blocks = [block for block in pages.blocks(PAGE) if block.section == section and block.language in pages.SHELL]
    found = [command for block in blocks for command in pages.commands(block)]
    return [item for item in found if item.startswith(("temporal ", "curl "))]


def table(section):
    """The text of a section, for its tables."""
    return PAGE.read_text().partition(f"\n## {section}\n")[2].partition("\n## ")[0]


class Processes:
    """A Temporal server, and the output of commands on it."""

    def __init__(self, address):
        self.address = address
        self.environment = {**os.environ, "TEMPORAL_ADDRESS": address, "PATH": f"{BIN}:{os.environ['PATH']}"}

    def type(self, command, workflow=STARVED, port=1):
        line = command.replace("incident-UID", workflow).replace(":8080/", f":{port}/")
        done = subprocess.run(
            ["bash", "-c", line], env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )
        return done.stdout + done.stderr

    def follow(self, section, **where):
        """The output of all commands of a section."""
        return {command: self.type(command, **where) for command in commands(section)}

    def until(self, command, pattern, **where):
        """Run it until its output contains this."""
        deadline = time.monotonic() + 60
        while not re.search(pattern, said := self.type(command, **where)):
            assert time.monotonic() < deadline, said[-3000:]
            time.sleep(0.5)
        return said

    def run(self, work):
        async def connected():
            return await work(await Client.connect(self.address, data_converter=pydantic_data_converter))

        return asyncio.run(connected())


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    """A server of this module's own, in memory."""
    port = free_ports(1)[0]
    command = [BIN / "temporal", "server", "start-dev", "--headless", "--port", str(port), "--log-level", "never"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        made = Processes(f"127.0.0.1:{port}")
        made.until("temporal operator namespace describe --namespace default", "NamespaceInfo")
        made.folder = tmp_path_factory.mktemp("processes")
        yield made
    finally:
        server.terminate()
        server.wait(20)


async def in_the_hands_of(code, client, workflow, until):
    """Start a workflow on a queue, with a worker whose code is this until its history has such an event."""
    await client.start_workflow("SelfHealing", a_request(), id=workflow, task_queue=QUEUE)
    worker = Worker(client, task_queue=QUEUE, workflows=[code], workflow_runner=workflow_runner())
    async with worker, asyncio.timeout(60):
        handle = client.get_workflow_handle(workflow)
        while until not in {event.event_type for event in (await handle.fetch_history()).events}:  # noqa: ASYNC110 - elsewhere
            await asyncio.sleep(0.1)


@pytest.fixture(scope="module")
def begun(processes):
    """Workflows that were started by other versions of the code."""

    async def begin(client):
        await in_the_hands_of(Broken, client, BROKEN, EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED)
        await client.get_workflow_handle(BROKEN).terminate()
        await in_the_hands_of(CarelessSelfHealing, client, CHANGED, EventType.EVENT_TYPE_TIMER_STARTED)

    processes.run(begin)
    return processes


@pytest.fixture(scope="module")
def starved(begun):
    """A workflow that was started without a worker; the output of that time is kept."""

    async def start(client):
        await client.start_workflow(SelfHealing.run, a_request(), id=STARVED, task_queue=QUEUE)

    begun.run(start)
    begun.until("temporal task-queue describe --task-queue prunella", r"workflow +[1-9]")
    with standalone_process("worker", begun.folder) as unreachable_kubeconfig:
        begun.until("curl -s http://127.0.0.1:8080/readyz", "worker: ", port=unreachable_kubeconfig.port)
        begun.without_worker = {**begun.follow(STUCK), **begun.follow(WORKER, port=unreachable_kubeconfig.port)}
    return begun


@pytest.fixture(scope="module")
def worker(starved):
    """A worker starts and processes all that waits."""
    with standalone_process("worker", starved.folder, temporal=starved.address) as process:
        starved.until("temporal workflow describe --workflow-id incident-UID", r"Attempt +[2-9]")
        starved.until("temporal workflow show --workflow-id incident-UID", "WorkflowTaskFailed", workflow=CHANGED)
        yield process


def test_nobody_asks_for_work(starved):
    said = starved.without_worker
    queue = said["temporal task-queue describe --task-queue prunella"]
    assert "ApproximateBacklogCount" in queue
    assert re.search(r"workflow +[1-9]", queue), "it waits"
    assert " now " not in queue, "those that asked are gone, and remembered for a while"
    assert "worker: Temporal cannot be reached" in said["curl -s http://127.0.0.1:8080/readyz"]


def test_a_workflow_without_a_worker(starved):
    said = starved.without_worker
    history = said["temporal workflow show --workflow-id incident-UID"].split()
    assert history[-1] == "WorkflowTaskScheduled"
    assert "timed out" in said["temporal workflow query --workflow-id incident-UID --type getState"]
    assert "timed out" in said["temporal workflow stack --workflow-id incident-UID"]
    assert STARVED in said[commands(STUCK)[0]]
    assert "not found" in starved.type(
        "temporal workflow describe --workflow-id incident-UID", workflow="incident-none"
    )


def test_an_activity_that_fails_again_and_again(starved, worker):
    said = starved.follow(STUCK, port=worker.port)
    described = said["temporal workflow describe --workflow-id incident-UID"]
    for words in ("Pending Activities: 1", "LastFailure", "does not answer"):
        assert words in described
    assert '"phase":"Confirming"' in re.sub(r"\s", "", said[commands(STUCK)[2]])
    assert "name='activity: report (workflow: SelfHealing" in said["temporal workflow stack --workflow-id incident-UID"]


def test_a_worker_that_is_not_starved(starved, worker):
    said = starved.follow(WORKER, port=worker.port)
    assert re.search(r"Pollers:\n.*\n +UNVERSIONED", said["temporal task-queue describe --task-queue prunella"])
    metrics = said["curl -s http://127.0.0.1:8080/metrics"]
    requests = set(re.findall(r"`(temporal_sdk_\w+|process_\w+|temporal_activity_duration_\w+)`", table(WORKER)))
    assert {name for name in requests if f"\n{name}" not in metrics} == set()
    assert re.search(r"temporal_sdk_activity_execution_failed_total\{[^}]*\} [1-9]", metrics)


def test_code_that_does_not_fit_the_history(starved, worker):
    said = starved.follow(REPLAY, workflow=CHANGED, port=worker.port)
    shown, as_json, metrics, terminated = said.values()
    assert shown.split()[-1] == "WorkflowTaskFailed"
    assert "NON_DETERMINISTIC_ERROR" in as_json
    assert "temporal_sdk_workflow_task_execution_failed_total{" in metrics
    assert "TMPRL1100" in worker.log.read_text()
    assert "Nondeterminism error" in worker.log.read_text()
    assert "error" not in terminated.lower()
    ended = starved.type("temporal workflow show --workflow-id incident-UID", workflow=CHANGED)
    assert ended.split()[-1] == "WorkflowExecutionTerminated"


def test_a_namespace_and_none(processes):
    (described,) = processes.follow(PENDING).values()
    assert re.search(r"NamespaceInfo\.State +Registered", described)
    assert re.search(r"WorkflowExecutionRetentionTtl +\S+", described)
    assert "not found" in processes.type("temporal operator namespace describe --namespace none")


def test_a_workflow_that_is_cancelled_and_started_again(starved, worker):
    async def start(client):
        await client.start_workflow(SelfHealing.run, a_request(), id=ENDED, task_queue=QUEUE)

    starved.run(start)
    cancel, reset, describe = commands(END)
    show = "temporal workflow show --workflow-id incident-UID"
    starved.until(show, "ActivityTaskScheduled", workflow=ENDED)
    before = run_of(starved.type(describe, workflow=ENDED))
    starved.type(reset, workflow=ENDED)
    described = starved.until(describe, "LastResetTime", workflow=ENDED)
    assert run_of(described) != before
    assert "WorkflowExecutionTerminated" in starved.type(f"{show} --run-id {before}", workflow=ENDED)
    starved.type(cancel, workflow=ENDED)
    starved.until(show, "WorkflowExecutionCancelRequested", workflow=ENDED)


def run_of(described):
    return re.search(r" RunId +(\S+)", described)[1]


def test_code_that_raises(begun):
    said = begun.type("temporal workflow show --workflow-id incident-UID --output json", workflow=BROKEN)
    assert "WORKFLOW_WORKER_UNHANDLED_FAILURE" in said


def test_a_sensor_that_sees_nothing(processes):
    with standalone_process("operator", processes.folder, temporal=processes.address) as operator:
        processes.until(
            "curl -s http://127.0.0.1:8080/readyz", "pods: the first list was not read yet", port=operator.port
        )
        said = processes.follow(SENSOR, port=operator.port)
    metrics = said["curl -s http://127.0.0.1:8080/metrics"]
    assert 'prunella_watch_synced{resource="pods"} 0.0' in metrics
    for name in set(re.findall(r"`(prunella_\w+)`", table(SENSOR))) - {"prunella_signals_total"}:
        assert f"\n{name}{{" in metrics, name
    assert "# TYPE prunella_signals_total counter" in metrics


def test_no_command_is_left_out():
    sections = {block.section for block in pages.blocks(PAGE) if block.language in pages.SHELL}
    asked = {section for section in sections if any(command.startswith("temporal ") for command in commands(section))}
    assert asked == {PENDING, STUCK, WORKER, REPLAY, END}
