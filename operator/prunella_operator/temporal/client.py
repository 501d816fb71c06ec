"""The way to Temporal: a client, and a server of our own for laptops, demos and clusters without one."""

import asyncio
import re
import socket
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

import structlog
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, GetSystemInfoRequest
from temporalio.client import Client, Interceptor
from temporalio.runtime import Runtime
from temporalio.service import RPCError, RPCStatusCode

from prunella_operator import clock
from prunella_operator.config.settings import Settings
from prunella_operator.temporal.dev_server import LOOPBACK, ServerFailed, ServerProcess
from prunella_operator.temporal.payload_codec import converter
from prunella_workflows.model.errors import NotFound, Unavailable

START_TIMEOUT = 60.0  # seconds; a cold start on a busy machine takes several
STABLE_AFTER = 60.0  # seconds of life after which a death counts as the first again
BACKOFF = (0.2, 1.0, 2.0, 5.0, 10.0, 30.0)
_POLL = 0.1
_TRANSPORT = re.compile(r'message: "([^"]+)"')

_log = structlog.stdlib.get_logger("prunella.temporal")


async def connect(
    settings: Settings, *, lazy: bool = True, interceptors: Sequence[Interceptor] = (), runtime: Runtime | None = None
) -> Client:
    """A client for the configured server. Lazy: it connects at its first call, so that we start while Temporal is down.

    Raises:
        RuntimeError: not lazy, and the server does not answer.
        NoKeys: the file of the keys that encrypt payloads cannot be used.
    """
    key = settings.temporal_api_key
    return await Client.connect(
        settings.temporal_target,
        namespace=settings.temporal_namespace,
        data_converter=converter(settings.payload_key_file),
        api_key=key.get_secret_value() if key else None,
        tls=settings.temporal_tls or key is not None,
        lazy=lazy,
        interceptors=interceptors,
        runtime=runtime,
    )


def probe(settings: Settings) -> str:
    """What `prunella doctor` says about Temporal: which version answers, and that it knows our namespace.

    Raises:
        Unavailable: nobody answers.
        NotFound: the namespace is missing.
    """
    return asyncio.run(_probe(settings))


async def _probe(settings: Settings) -> str:
    try:
        client = await connect(settings, lazy=False)
        info = await client.workflow_service.get_system_info(GetSystemInfoRequest())
        await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
    except RuntimeError as error:
        said = _TRANSPORT.search(str(error))
        raise Unavailable(f"it does not answer: {said[1] if said else error}") from error
    except RPCError as error:
        kind = NotFound if error.status is RPCStatusCode.NOT_FOUND else Unavailable
        raise kind(error.message) from error
    return f"{settings.temporal_target} runs server {info.server_version}, namespace {client.namespace} exists"


class EmbeddedTemporal:
    """A Temporal server that lives as long as this context, on one SQLite file; when it dies it is started again."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._server: ServerProcess | None = None
        self._watch: asyncio.Task[None] | None = None
        self._up = asyncio.Event()

    @property
    def pid(self) -> int:
        """The process id of the server as it runs now."""
        assert self._server is not None
        return self._server.pid

    @property
    def answering(self) -> bool:
        """Whether the server takes calls, as far as we know."""
        return self._up.is_set()

    async def __aenter__(self) -> Self:
        for port in (self._settings.temporal_port, self._settings.temporal_ui_port):
            _refuse_used(port, self._settings)
        await self._start()
        self._watch = asyncio.create_task(self._keep_alive())
        _log.info("temporal is up", address=self._settings.temporal_target, db=self._settings.temporal_db)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._watch:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch
        if self._server:
            await self._server.stop()

    async def _start(self) -> None:
        self._server = await ServerProcess.start(self._settings)
        try:
            await asyncio.wait_for(_answers(self._settings, self._server), START_TIMEOUT)
        except BaseException as error:
            await self._server.stop()
            if isinstance(error, TimeoutError):
                raise ServerFailed(
                    f"the embedded Temporal server did not answer on {self._settings.temporal_target} within "
                    f"{START_TIMEOUT:.0f} s. It said:\n{self._server.last_words}"
                ) from None
            raise
        self._up.set()

    async def _keep_alive(self) -> None:
        deaths = 0
        while self._server:
            began = clock.monotonic()
            code = await self._server.wait()
            self._up.clear()
            deaths = 0 if clock.monotonic() - began > STABLE_AFTER else deaths + 1
            pause = BACKOFF[min(max(deaths - 1, 0), len(BACKOFF) - 1)]
            _log.error("temporal died", code=code, said=self._server.last_words, restart_in=pause)
            await asyncio.sleep(pause)
            try:
                await self._start()
            except (ServerFailed, OSError) as error:
                _log.error("temporal does not come back", error=str(error))
            else:
                _log.info("temporal is up again", pid=self.pid)


async def _answers(settings: Settings, server: ServerProcess) -> None:
    """Return when the server takes calls.

    Raises:
        ServerFailed: it ended instead.
    """
    while not server.ended:
        with suppress(RuntimeError, RPCError):
            client = await connect(settings, lazy=False)
            await client.service_client.check_health()
            return
        await asyncio.sleep(_POLL)
    raise ServerFailed(f"the embedded Temporal server ended with code {await server.wait()}:\n{server.last_words}")


def _refuse_used(port: int, settings: Settings) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            help_text = _PORT_HELP.format(port=port, error=error.strerror, address=settings.temporal_target)
            raise ServerFailed(help_text) from error


_PORT_HELP = """port {port} is needed for the embedded Temporal server, but: {error}.
If a Temporal server runs there already, use it: prunella run --temporal {address}
If it is a left-over, end it. If it is something else, choose other ports:
PRUNELLA_TEMPORAL_PORT=7333 PRUNELLA_TEMPORAL_UI_PORT=8333"""
