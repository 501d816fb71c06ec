"""The parts that the processes share: HTTP with health and metrics, tracing, preparation that waits, and the end."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, NoReturn

import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware

from prunella_operator.observability.core import measured_runtime
from prunella_operator.observability.logging import configure
from prunella_operator.observability.sending import sends
from prunella_operator.observability.workflows import CountingInterceptor
from prunella_operator.process import Process
from prunella_operator.runtime.health_endpoints import build_app
from prunella_orders.http import explained, measured
from prunella_orders.settings import Settings
from prunella_workflows.model.errors import Unavailable

_log = structlog.get_logger("orders")
_RETRY_SECONDS = 1.0


def run(work: Coroutine[Any, Any, None]) -> NoReturn:
    """Run a process until SIGINT or SIGTERM; what it opened is closed then."""
    configure()
    code = 0
    try:
        asyncio.run(_until_signalled(work))
    except Exception:  # noqa: BLE001 - the last line of defence: log it and exit with 1
        _log.exception("the process stops because of an error")
        code = 1
    sys.stderr.flush()
    os._exit(code)  # temporalio's core may crash at interpreter exit (sdk-python issue 300)


async def _until_signalled(work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.create_task(work)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await task


@asynccontextmanager
async def observed(name: str) -> AsyncIterator[Process]:
    """A process with Prunella's metrics of workflows and, where OTLP is configured, its traces."""
    runtime, core_metrics = measured_runtime("orders")
    process = Process(interceptors=[CountingInterceptor()], runtime=runtime)
    process.start("temporal's metrics", core_metrics.drain())
    async with AsyncExitStack() as stack:
        stack.push_async_callback(process.stop)
        if sends("traces"):
            from prunella_operator.observability.exporting import Tracing  # noqa: PLC0415 - only what is used is loaded
            from prunella_operator.observability.interceptors import TracingInterceptor  # noqa: PLC0415

            traces = Tracing(name)
            stack.callback(traces.stop)
            process.interceptors.append(TracingInterceptor(traces.emit))
        yield process


@asynccontextmanager
async def serving(
    settings: Settings,
    process: Process,
    *routes: Callable[[web.Application], None],
    middleware: Sequence[Middleware] = (),
) -> AsyncIterator[None]:
    """Serve these routes beside /healthz, /readyz and /metrics."""
    app = build_app(process.readiness)
    app.middlewares.extend([measured, *middleware, explained])
    for add in routes:
        add(app)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.http_host, settings.http_port).start()
        yield
    finally:
        await runner.cleanup()


async def prepare(process: Process, what: str, work: Callable[[], Awaitable[None]]) -> None:
    """Do something that needs another system, and wait while that is away: until then the process is not ready."""
    reason = "not done yet"
    process.checks[what] = lambda: reason
    while reason:
        try:
            await work()
        except Unavailable as error:
            reason = str(error)
            _log.warning("waiting", part=what, error=reason)
            await asyncio.sleep(_RETRY_SECONDS)
        else:
            reason = ""
