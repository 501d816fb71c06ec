"""The composition root: settings in, a running process out. Everything is built here and passed by argument."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import structlog
from aiohttp import web
from temporalio.client import Interceptor

from prunella_operator.config.settings import Settings
from prunella_operator.http_server import Listener, serve
from prunella_operator.kubernetes.access import load_access
from prunella_operator.observability.core import measured_runtime
from prunella_operator.observability.sending import sends
from prunella_operator.observability.workflows import CountingInterceptor
from prunella_operator.process import Process
from prunella_operator.runtime.health_endpoints import build_app
from prunella_operator.temporal.client import EmbeddedTemporal, connect
from prunella_workflows.model.errors import Permanent

_log = structlog.get_logger("prunella")


def run(settings: Settings, *, operator: bool, worker: bool, console: bool, telemetry: bool = False) -> int:
    """Run parts of Prunella until a signal; the exit code is 0 after a clean stop, 1 after an error."""
    return run_until_signalled(_main(settings, operator=operator, worker=worker, console=console, telemetry=telemetry))


def run_until_signalled(work: Coroutine[Any, Any, None]) -> int:
    """Run this until a signal; the exit code is 0 after a clean stop, 1 after an error."""
    try:
        asyncio.run(_cancel_when_signalled(work))
        code = 0
    except Permanent as error:
        print(f"prunella: {error}", file=sys.stderr)  # noqa: T201 - the log may be JSON; this is for a person
        code = 1
    except Exception:  # noqa: BLE001 - the last line of defence: log it and exit with 1
        _log.exception("prunella stops because of an error")
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # temporalio's core may crash at interpreter exit (sdk-python issue 300)


async def _cancel_when_signalled(work: Coroutine[Any, Any, None]) -> None:
    """Cancel the work at the first SIGINT or SIGTERM, at any point; everything it opened is closed."""
    task = asyncio.create_task(work)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await task
    _log.info("prunella has stopped")


async def _main(settings: Settings, *, operator: bool, worker: bool, console: bool, telemetry: bool) -> None:
    access = None if telemetry else load_access(settings.kubeconfig, settings.context)
    runtime, core_metrics = measured_runtime("prunella")
    process = Process(interceptors=[CountingInterceptor()], runtime=runtime)
    process.start("temporal's metrics", core_metrics.drain())
    async with AsyncExitStack() as stack:
        try:
            if sends("traces"):
                process.interceptors.append(_tracing_interceptor(stack))
            if sends("metrics"):
                _push_metrics(stack)
            if settings.embedded:
                await stack.enter_async_context(EmbeddedTemporal(settings))
            client = await connect(settings, interceptors=process.interceptors, runtime=process.runtime)
            process.checks["start"] = lambda: "not all parts have been started yet"
            await stack.enter_async_context(_serve_http(settings, process))
            # The parts are imported late: none pays for the libraries of another.
            if access is None:
                from prunella_operator.telemetry.worker import run_telemetry  # noqa: PLC0415

                await stack.enter_async_context(run_telemetry(settings, process))
            if access and worker:
                from prunella_operator.runtime.worker import run_worker  # noqa: PLC0415

                await stack.enter_async_context(run_worker(settings, access, process))
            if access and console:
                from prunella_operator.console.serve import run_console  # noqa: PLC0415

                await stack.enter_async_context(run_console(settings, access, process))
            if access and operator:
                from prunella_operator.runtime.operator import run_operator  # noqa: PLC0415

                await stack.enter_async_context(run_operator(settings, access, client, process))
            del process.checks["start"]
            server = access.server if access else ""
            _log.info("prunella is up", operator=operator, worker=worker, telemetry=telemetry, api_server=server)
            await process.ended()
        finally:
            await process.stop()


def _tracing_interceptor(stack: AsyncExitStack) -> Interceptor:
    """Trace until the process stops. Without tracing its libraries are never imported."""
    from prunella_operator.observability.exporting import Tracing  # noqa: PLC0415
    from prunella_operator.observability.interceptors import TracingInterceptor  # noqa: PLC0415

    traces = Tracing("prunella")
    stack.callback(traces.stop)
    return TracingInterceptor(traces.emit)


def _push_metrics(stack: AsyncExitStack) -> None:
    """Push the metrics of /metrics by OTLP until the process stops."""
    from prunella_operator.observability.metric_push import MetricPush  # noqa: PLC0415

    stack.callback(MetricPush("prunella").stop)


@asynccontextmanager
async def _serve_http(settings: Settings, process: Process) -> AsyncIterator[None]:
    runner = web.AppRunner(build_app(process.readiness), access_log=None)
    async with serve(runner, Listener("metrics and probes", settings.http_host, settings.http_port, "http_port")):
        yield
