"""The console as part of a process: its port, and readers of incidents for each token."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import structlog
from aiohttp import web

from prunella_operator.config.extras import telemetry_wing
from prunella_operator.config.settings import Settings
from prunella_operator.console.app import LOCAL, Console, Telemetry
from prunella_operator.console.provider import Provider
from prunella_operator.console.requests import Readers
from prunella_operator.http_server import Listener, serve
from prunella_operator.incidents.client import IncidentReader, KubeIncidents
from prunella_operator.incidents.index import IncidentIndex
from prunella_operator.integrations.answer_links import create_answer_links
from prunella_operator.kubernetes.access import Access
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_operator.kubernetes.watch.resource import Scope
from prunella_operator.process import Process
from prunella_workflows.model.errors import Unavailable

_log = structlog.get_logger("prunella.console")

_TELEMETRY_SECONDS = 5.0


@asynccontextmanager
async def run_console(settings: Settings, access: Access, process: Process) -> AsyncIterator[None]:
    """The console, for as long as the context is open. Raises CannotListen, InvalidInputError."""
    readers, local = make_readers(access, settings.api_timeout), settings.http_host in LOCAL
    telemetry, namespaces = make_telemetry(settings), settings.namespaces
    index = IncidentIndex(access, tuple(map(Scope, namespaces or (None,))))
    options = (settings.console_anonymous, local, telemetry, namespaces)
    signing = (make_provider(settings), create_answer_links(settings))
    console = Console(readers, index.all, settings.workflow_url, *options, *signing)
    process.checks["incidents"] = index.problem
    process.start("incidents", index.run())
    runner = web.AppRunner(console.app(), access_log=None)
    at = Listener("the console", settings.http_host, settings.console_port, "console_port, or 0 to disable it")
    async with serve(runner, at):
        _log.info("console started", url=f"http://{at.host}:{at.port}")
        yield


def make_readers(access: Access, timeout: float) -> Readers:
    """Readers of incidents, with our own account or with a user's token. `timeout` is in seconds."""
    own = KubeIncidents(SyncClient(access, timeout))

    def reader(token: str | None) -> IncidentReader:
        if token is None:
            return own
        bearer = replace(access, cert_path=None, key_path=None, authorization=lambda: f"Bearer {token}")
        return KubeIncidents(SyncClient(bearer, timeout))

    return reader


def make_provider(settings: Settings) -> Provider | None:
    """The provider at which people sign in, if one is set. Raises InvalidInputError, naming the wrong setting."""
    if settings.console_oidc_issuer is None:
        return None
    from prunella_operator.console.oidc import create_client  # noqa: PLC0415 - 8 MiB that other consoles do not pay for

    return create_client(settings, settings.console_oidc_issuer)


def make_telemetry(settings: Settings) -> Telemetry | None:
    """The reader of services, if the telemetry database is set. The wing is imported when a page asks for it."""
    if not settings.telemetry_database_url_file:
        return None

    async def read() -> Any:
        try:
            async with asyncio.timeout(_TELEMETRY_SECONDS):
                return await telemetry_wing("store.reports").read_map(settings)
        except TimeoutError as error:
            raise Unavailable(f"no answer from the telemetry database within {_TELEMETRY_SECONDS:.0f} s") from error

    return read
