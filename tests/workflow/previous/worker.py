"""A worker of an earlier build, without hands: `python worker.py BUILD.zip ADDRESS QUEUE`."""

import asyncio
import os
import signal
import sys

build, address, queue = sys.argv[1:]
sys.path.insert(0, build)

from temporalio.client import Client  # noqa: E402
from temporalio.contrib.pydantic import pydantic_data_converter  # noqa: E402
from temporalio.worker import Worker  # noqa: E402

from prunella_workflows.healing import workflow  # noqa: E402
from prunella_workflows.temporal.sandbox import workflow_runner  # noqa: E402

assert build in workflow.__file__, workflow.__file__


async def main():
    client = await Client.connect(address, data_converter=pydantic_data_converter, identity="previous-build")
    async with Worker(
        client,
        task_queue=queue,
        workflows=[workflow.SelfHealing],
        workflow_runner=workflow_runner(),
        max_cached_workflows=0,  # the test server gives what is kept for a worker that is gone to nobody else
    ):
        end = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end.set)
        print("working", flush=True)
        await end.wait()
    os._exit(0)  # a process that used the SDK may crash if it ends at once (sdk-python#300)


asyncio.run(main())
