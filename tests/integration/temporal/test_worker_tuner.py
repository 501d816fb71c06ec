"""The worker's tuners on a real Temporal server: how many activities run at once."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import timedelta
from threading import Lock

import pytest
from temporalio import activity
from workflow.healing_env import start_dev_server

from prunella_operator.config.settings import Settings
from prunella_operator.runtime.worker import build_worker

pytestmark = pytest.mark.timeout(180)
NUMBER, LIMIT, MINIMUM = 16, 10, 5


class Work:
    """Takes a second, and counts how often it runs at once."""

    def __init__(self):
        self._lock = Lock()
        self._running = 0
        self.most = 0

    @activity.defn
    def run(self) -> None:
        with self._lock:
            self._running += 1
            self.most = max(self.most, self._running)
        activity.wait_for_cancelled_sync(timedelta(seconds=1))
        with self._lock:
            self._running -= 1


@asynccontextmanager
async def serving(client, work, **settings):
    """A worker with these settings, and a thread for every activity: its tuner alone limits them."""
    with ThreadPoolExecutor(NUMBER) as pool:
        async with build_worker(client, Settings(max_activities=LIMIT, **settings), [work.run], pool):
            yield


async def most_at_once(client, **settings):
    work, limit = Work(), timedelta(seconds=60)
    async with serving(client, work, **settings):
        runs = (
            client.execute_activity(Work.run, id=str(number), task_queue="prunella", start_to_close_timeout=limit)
            for number in range(NUMBER)
        )
        await asyncio.gather(*runs)
    return work.most


async def test_fixed_reaches_its_limit_and_resources_keep_to_the_minimum_while_they_are_short():
    async with start_dev_server() as environment:
        assert MINIMUM < await most_at_once(environment.client) <= LIMIT
        short = {"worker_tuner": "resources", "worker_target_memory": 0.01, "worker_target_cpu": 0.01}
        assert 1 <= await most_at_once(environment.client, **short) <= MINIMUM
        assert 1 <= await most_at_once(environment.client, worker_tuner="resources") <= LIMIT
