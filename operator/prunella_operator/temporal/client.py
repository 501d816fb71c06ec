"""Temporal clients, and a supervised local server for laptops, demos and clusters without one."""

import asyncio
import re
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Self

import structlog
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, GetSystemInfoRequest
from temporalio.client import Client, Interceptor
from temporalio.runtime import Runtime
from temporalio.service import RPCError, RPCStatusCode

from prunella_operator import clock
from prunella_operator.config.settings import Settings
from prunella_operator.tasks import end
from prunella_operator.temporal.credentials import find_credentials
from prunella_operator.temporal.dev_server import LOOPBACK, ServerFailed, ServerProcess
from prunella_operator.temporal.payload_codec import data_converter
from prunella_workflows.model.errors import NotFound, Unavailable

START_TIMEOUT_SECONDS = 60.0  # a cold start on a busy machine takes several
STABLE_AFTER_SECONDS = 60.0  # of life; a later exit counts as the first again
BACKOFF_SECONDS = (0.2, 1.0, 2.0, 5.0, 10.0, 30.0)
_POLL_INTERVAL_SECONDS = 0.1
_TRANSPORT_ERROR = re.compile(r'message: "([^"]+)"')
_REFUSED_CERTIFICATE = re.compile(r"InvalidCertificate\((\w+)")

_log = structlog.stdlib.get_logger("prunella.temporal")


async def connect(
    settings: Settings, *, lazy: bool = True, interceptors: Sequence[Interceptor] = (), runtime: Runtime | None = None
) -> Client:
    """Connect to the configured server. A lazy client connects at its first call: we start while Temporal is down.

    Raises:
        RuntimeError: it is not lazy, and the server does not answer.
        ProfileError, TlsFileError, KeyFileError: Temporal's configuration, a certificate or a payload key is invalid.
    """
    credentials = find_credentials(settings)
    return await Client.connect(
        settings.temporal_target,
        namespace=settings.temporal_namespace,
        data_converter=data_converter(settings.payload_key_file),
        api_key=credentials.api_key,
        tls=credentials.tls,
        rpc_metadata=credentials.metadata,
        lazy=lazy,
        interceptors=interceptors,
        runtime=runtime,
    )


def explain(error: RuntimeError) -> str:
    """Why a connection failed, in short."""
    text = str(error)
    if match := _REFUSED_CERTIFICATE.search(text):
        places = "TEMPORAL_TLS_SERVER_CA_CERT_PATH and TEMPORAL_TLS_SERVER_NAME"
        return f"its certificate is not trusted ({match[1]}): see {places}"
    match = _TRANSPORT_ERROR.search(text)
    return match[1] if match else text


def probe(settings: Settings) -> str:
    """Describe the server for `prunella doctor`. Raises Unavailable, or NotFound when our namespace is missing."""
    return asyncio.run(_probe(settings))


async def _probe(settings: Settings) -> str:
    try:
        client = await connect(settings, lazy=False)
        info = await client.workflow_service.get_system_info(GetSystemInfoRequest())
        await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
    except RuntimeError as error:
        raise Unavailable(f"it does not answer: {explain(error)}") from error
    except RPCError as error:
        error_class = NotFound if error.status is RPCStatusCode.NOT_FOUND else Unavailable
        raise error_class(error.message) from error
    return f"{settings.temporal_target} runs server {info.server_version}, namespace {client.namespace} exists"


class EmbeddedTemporal:
    """A Temporal server on one SQLite file that runs for as long as this context, and is restarted when it exits."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._server: ServerProcess | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._up = asyncio.Event()

    @property
    def pid(self) -> int:
        """The process id of the current server."""
        assert self._server is not None
        return self._server.pid

    @property
    def answering(self) -> bool:
        """True while the server takes calls, as far as we know."""
        return self._up.is_set()

    async def __aenter__(self) -> Self:
        for port in (self._settings.temporal_port, self._settings.temporal_ui_port):
            _refuse_used_port(port, self._settings)
        await self._start()
        self._supervisor = asyncio.create_task(self._supervise())
        _log.info("temporal is up", address=self._settings.temporal_target, db=self._settings.temporal_db)
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._supervisor:
            await end(self._supervisor)
        if self._server:
            await self._server.stop()

    async def _start(self) -> None:
        self._server = await ServerProcess.start(self._settings)
        try:
            await asyncio.wait_for(_wait_until_serving(self._settings, self._server), START_TIMEOUT_SECONDS)
        except BaseException as error:
            await self._server.stop()
            if isinstance(error, TimeoutError):
                raise ServerFailed(
                    f"the embedded Temporal server did not answer on {self._settings.temporal_target} within "
                    f"{START_TIMEOUT_SECONDS:.0f} s. Its output:\n{self._server.output_tail}"
                ) from None
            raise
        self._up.set()

    async def _supervise(self) -> None:
        exits = 0
        while self._server:
            began = clock.monotonic()
            code = await self._server.wait()
            self._up.clear()
            exits = 0 if clock.monotonic() - began > STABLE_AFTER_SECONDS else exits + 1
            pause = BACKOFF_SECONDS[min(max(exits - 1, 0), len(BACKOFF_SECONDS) - 1)]
            _log.error("temporal exited", code=code, output=self._server.output_tail, restart_in=pause)
            await asyncio.sleep(pause)
            try:
                await self._start()
            except (ServerFailed, OSError) as error:
                _log.error("cannot restart temporal", error=str(error))
            else:
                _log.info("temporal restarted", pid=self.pid)


async def _wait_until_serving(settings: Settings, server: ServerProcess) -> None:
    """Return when the server takes calls. Raises ServerFailed when it exits instead."""
    while not server.ended:
        with suppress(RuntimeError, RPCError):
            client = await connect(settings, lazy=False)
            await client.service_client.check_health()
            return
        await asyncio.sleep(_POLL_INTERVAL_SECONDS)
    raise ServerFailed(f"the embedded Temporal server exited with code {await server.wait()}:\n{server.output_tail}")


def _refuse_used_port(port: int, settings: Settings) -> None:
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
