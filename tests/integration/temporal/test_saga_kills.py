"""A worker that is killed in the middle of a saga, on a real Temporal: each step and compensation has one effect."""

import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
from support import saga_worker
from temporalio.exceptions import ApplicationError
from workflow.healing_env import start_dev_server
from workflow.saga_env import QUEUE, failure
from workflow.saga_workflows import QUICK_STEPS, QuickSaga

pytestmark = pytest.mark.timeout(300)
EFFECTS = [name for name in QUICK_STEPS if name != "commit_stock"]


@contextmanager
def worker(environment, ledger, point=""):
    """A worker process, until the block ends or it kills itself at the point."""
    command = [sys.executable, saga_worker.__file__, environment.client.service_client.config.target_host]
    process = subprocess.Popen([*command, str(ledger), point])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    "point",
    ["cancel_order:before", "cancel_order:after", "void_payment:before", "void_payment:after", "create_order:after"],
)
async def test_each_has_one_effect_whenever_the_worker_is_killed(tmp_path, point):
    ledger = tmp_path / "ledger.db"
    saga_worker.create_ledger(ledger)
    async with start_dev_server() as environment:
        with worker(environment, ledger, point) as dying:
            handle = await environment.client.start_workflow(QuickSaga.run, "17", id="order-17", task_queue=QUEUE)
            assert dying.wait(120) == -signal.SIGKILL
        with worker(environment, ledger):
            error = await failure(handle)
    assert isinstance(error, ApplicationError)
    assert error.details[0]["compensated"] == ["create_order", "authorise_payment", "reserve_stock"]
    assert [name for name, _ in saga_worker.read(ledger, "effects")] == EFFECTS
    killed, attempts = point.partition(":")[0], saga_worker.read(ledger, "attempts")
    assert [name for name, _ in attempts].count(killed) == 2
    assert len(set(attempts)) == len(attempts) - 1, "the second attempt has the key of the first"
