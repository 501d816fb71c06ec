"""A worker of orders as a process, that may kill itself: `saga_worker.py ADDRESS LEDGER [ACTIVITY:before|after]`.

A point lies before an activity has its effect, or after it and before Temporal learns of it. The ledger is an SQLite
file: an effect is written once for a key, in one transaction, as a real service would.
"""

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # as pytest does

from temporalio import activity
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker
from workflow.saga_workflows import QUICK_STEPS, QuickSaga

from prunella_workflows.patterns import idempotency_key
from prunella_workflows.temporal.sandbox import workflow_runner


def create_ledger(path):
    with closing(sqlite3.connect(path)) as ledger, ledger:
        ledger.execute("CREATE TABLE effects (name TEXT, key TEXT, PRIMARY KEY (name, key))")
        ledger.execute("CREATE TABLE attempts (name TEXT, key TEXT)")


def read(path, table):
    """The rows of `effects` or `attempts`, in order."""
    with closing(sqlite3.connect(path)) as ledger:
        return ledger.execute(f"SELECT name, key FROM {table} ORDER BY rowid").fetchall()


def step(name: str, path: str, reach: Callable[[str], None]):
    @activity.defn(name=name)
    async def run(order: str) -> str:
        key = idempotency_key()
        with closing(sqlite3.connect(path)) as ledger:
            with ledger:
                ledger.execute("INSERT INTO attempts VALUES (?, ?)", (name, key))
            reach(f"{name}:before")
            if name == "commit_stock":
                raise ApplicationError("the shelf is empty", type="Empty", non_retryable=True)
            with ledger:
                ledger.execute("INSERT OR IGNORE INTO effects VALUES (?, ?)", (name, key))
        reach(f"{name}:after")
        return order

    return run


async def serve(address, path, point=""):
    def reach(here):
        if here == point:
            os.kill(os.getpid(), signal.SIGKILL)

    client = await Client.connect(address, data_converter=pydantic_data_converter)
    await Worker(
        client,
        task_queue="orders",
        workflows=[QuickSaga],
        activities=[step(name, path, reach) for name in QUICK_STEPS],
        workflow_runner=workflow_runner(),
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
    ).run()


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
