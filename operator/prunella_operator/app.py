"""The composition root: settings in, a running process out. Everything is built here and handed on by argument."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import structlog
from aiohttp import web

from prunella_operator.cluster.access import load_access
from prunella_operator.process import Process
from prunella_operator.settings import Settings
from prunella_operator.temporal import EmbeddedTemporal, connect
from prunella_operator.web import build_app
from prunella_workflows.errors import Permanent

_log = structlog.get_logger("prunella")


def run(settings: Settings, *, operator: bool, worker: bool, embedded: bool) -> int:
    """Run until a signal; the exit code is 0 after a clean stop and 1 after an error."""
    try:
        asyncio.run(_main(settings, operator=operator, worker=worker, embedded=embedded))
        code = 0
    except Permanent as error:
        print(f"prunella: {error}", file=sys.stderr)  # noqa: T201 - the log may be JSON; this is for a person
        code = 1
    except Exception:  # noqa: BLE001 - the last line of defence: say what happened and end with 1
        _log.exception("prunella ends because of an error")
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # temporalio's core may crash at interpreter exit (sdk-python issue 300)


async def _main(settings: Settings, *, operator: bool, worker: bool, embedded: bool) -> None:
    access = load_access(settings.kubeconfig, settings.context)
    process = Process()
    async with AsyncExitStack() as stack:
        if embedded:
            await stack.enter_async_context(EmbeddedTemporal(settings))
        client = await connect(settings)
        await stack.enter_async_context(_served(settings, process))
        if worker:  # imported late: neither side pays for the other's libraries
            from prunella_operator.worker import worker_side  # noqa: PLC0415

            await stack.enter_async_context(worker_side(settings, access, process))
        if operator:
            from prunella_operator.watching import operator_side  # noqa: PLC0415

            await stack.enter_async_context(operator_side(settings, access, client, process))
        _log.info("prunella is up", operator=operator, worker=worker, api_server=access.server)
        await _until_stopped(process)
    _log.info("prunella has stopped")


async def _until_stopped(process: Process) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    stopped = asyncio.create_task(stop.wait(), name="stop")
    ended = asyncio.create_task(process.ended(), name="ended")
    done, _ = await asyncio.wait((stopped, ended), return_when=asyncio.FIRST_COMPLETED)
    for task in (*process.tasks, ended):
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.gather(*process.tasks)
    if stopped not in done:
        ended.result()


@asynccontextmanager
async def _served(settings: Settings, process: Process) -> AsyncIterator[None]:
    runner = web.AppRunner(build_app(process.readiness), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.http_host, settings.http_port).start()
        yield
    finally:
        await runner.cleanup()
