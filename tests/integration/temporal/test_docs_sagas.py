"""The page on sagas is followed: its tutorial is written and run, and its commands are typed, on a real Temporal."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from temporalio.worker import Worker
from workflow.healing_env import BIN, start_dev_server
from workflow.recording_notifications import RecordingNotifications

from prunella_workflows.patterns import ApprovalWorkflow
from prunella_workflows.temporal.sandbox import workflow_runner

pytestmark = pytest.mark.timeout(300)
PAGE = Path(__file__).parents[3] / "docs" / "sagas.md"
TUTORIAL, APPROVALS = "Write a saga from nothing", "Approvals"


def fenced(language, section):
    """The blocks of a section."""
    text = PAGE.read_text().partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return [block.partition("```")[0] for block in text.split(f"```{language}\n")[1:]]


class Tutorial:
    """The file of the tutorial, and the commands that run it."""

    def __init__(self, folder, address):
        self.folder = folder
        code = "\n\n".join(fenced("python", TUTORIAL))
        (folder / "orders.py").write_text(code.replace("127.0.0.1:7233", address))

    def start(self, command):
        words = command.split()
        assert words[0] == "python"
        return subprocess.Popen([sys.executable, *words[1:]], cwd=self.folder, stdout=subprocess.PIPE, text=True)

    def type(self, command):
        with self.start(command) as process:
            return process.communicate(timeout=120)[0].strip()

    @contextmanager
    def running(self, command):
        with self.start(command) as process:
            try:
                yield process
            finally:
                process.kill()


async def test_the_tutorial(tmp_path):
    _, worker, alice, bob, carol = fenced("sh", TUTORIAL)[0].splitlines()
    async with start_dev_server() as environment:
        tutorial = Tutorial(tmp_path, environment.client.service_client.config.target_host)
        with tutorial.running(worker):
            assert tutorial.type(alice) == "sold 4"
            assert tutorial.type(bob) == fenced("text", TUTORIAL)[0].strip()
            last = tutorial.type(carol)
        assert last == "SagaFailed: reserve_stock failed: NotDone: only 6 are left; compensated: nothing"
        waiting = tutorial.start(alice.replace("alice 4", "dave 5"))
        with tutorial.running(worker) as killed:
            killed.send_signal(signal.SIGKILL)
        with tutorial.running(worker):
            assert waiting.communicate(timeout=120)[0].strip() == "sold 5"


async def test_an_approval_by_hand():
    async with start_dev_server() as environment:
        address = environment.client.service_client.config.target_host
        variables = {**os.environ, "TEMPORAL_ADDRESS": address, "PATH": f"{BIN}:{os.environ['PATH']}"}

        async def typed(command):
            shell = ["bash", "-c", command]
            run = partial(subprocess.run, shell, env=variables, capture_output=True, text=True, check=True)
            return (await asyncio.to_thread(run)).stdout

        async with Worker(
            environment.client,
            task_queue="prunella",
            workflows=[ApprovalWorkflow],
            activities=[RecordingNotifications().notify],
            workflow_runner=workflow_runner(),
        ):
            _, queried, _, result = [await typed(command) for command in fenced("sh", APPROVALS)[0].splitlines()]
    assert '"status":"Waiting"' in queried.replace(" ", "")
    assert "Approved" in result
    assert "a known customer" in result
