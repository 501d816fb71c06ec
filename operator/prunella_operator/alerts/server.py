"""The webhook's address, authentication and TLS. By default no one from outside gets in without a secret."""

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple, NoReturn

import structlog
from aiohttp import web
from temporalio.client import Client

from prunella_operator.alerts.dispatcher import AlertDispatcher
from prunella_operator.alerts.rate_limit import RateLimit
from prunella_operator.alerts.tokens import TokenFile
from prunella_operator.alerts.webhook import IsAuthorized, Webhook, allow_all
from prunella_operator.config.settings import Settings
from prunella_operator.http_server import CannotListen, Listener, serve
from prunella_operator.process import Process
from prunella_operator.tasks import end

LOOPBACK = "127.0.0.1"

_log = structlog.get_logger("prunella.alerts")

_CERTIFICATE_POLL_INTERVAL_SECONDS = 30.0


class Exposure(NamedTuple):
    """The address that is served, and a warning when it is not the configured one."""

    host: str
    warning: str = ""


def exposure(settings: Settings) -> Exposure:
    """Serve on loopback only, unless a token or a client certificate protects the webhook, or the settings open it."""
    protected = settings.webhook_token_file or settings.webhook_client_ca or settings.webhook_open
    if protected or _is_loopback(settings.webhook_host):
        return Exposure(settings.webhook_host)
    warning = "the webhook is served on loopback only: set webhook_token_file, webhook_client_ca or webhook_open"
    return Exposure(LOOPBACK, warning)


@asynccontextmanager
async def run_webhook(settings: Settings, client: Client, process: Process) -> AsyncIterator[None]:
    """Serve the webhook for as long as the context is open; do nothing when its port is 0. Raises CannotListen."""
    if settings.webhook_port == 0:
        yield
        return
    is_authorized: IsAuthorized = allow_all
    if settings.webhook_token_file:
        tokens = TokenFile(Path(settings.webhook_token_file))
        is_authorized, process.checks["webhook"] = tokens.accepts, tokens.problem
    limit = RateLimit(settings.webhook_rate, settings.webhook_burst)
    webhook = Webhook(AlertDispatcher(client, settings.task_queue), is_authorized, limit, settings.webhook_max_body)
    runner = web.AppRunner(webhook.app(), access_log=None, auto_decompress=False)
    served, port = exposure(settings), settings.webhook_port
    if served.warning:
        _log.warning(served.warning)
    at = Listener("the webhook", served.host, port, "webhook_port")
    async with _tls(settings) as context, serve(runner, at, context):
        _log.info("the webhook listens", host=served.host, port=port, tls=context is not None)
        yield


@asynccontextmanager
async def _tls(settings: Settings) -> AsyncIterator[ssl.SSLContext | None]:
    """The TLS context, whose certificate is reloaded when its files change; None without TLS."""
    if not (settings.webhook_tls_cert or settings.webhook_tls_key or settings.webhook_client_ca):
        yield None
        return
    context = tls_context(settings)
    reloading = asyncio.create_task(_reload_certificate(context, settings))
    try:
        yield context
    finally:
        await end(reloading)


def tls_context(settings: Settings) -> ssl.SSLContext:
    """Build the TLS context; a client CA makes client certificates required. Raises CannotListen for a bad file."""
    if not settings.webhook_tls_cert:
        raise CannotListen("webhook_client_ca and webhook_tls_key need webhook_tls_cert")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        _load(context, settings)
        if settings.webhook_client_ca:
            context.load_verify_locations(settings.webhook_client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except OSError as error:  # ssl.SSLError is one
        raise CannotListen(f"the webhook's certificates cannot be loaded: {error}") from error
    return context


def _load(context: ssl.SSLContext, settings: Settings) -> None:
    assert settings.webhook_tls_cert is not None
    context.load_cert_chain(settings.webhook_tls_cert, settings.webhook_tls_key)


async def _reload_certificate(context: ssl.SSLContext, settings: Settings) -> NoReturn:
    """Reload the certificate for new connections when its files change; retry while the pair does not match."""
    loaded = _modification_times(settings)
    while True:
        await asyncio.sleep(_CERTIFICATE_POLL_INTERVAL_SECONDS)
        if (current := _modification_times(settings)) == loaded:
            continue
        try:
            _load(context, settings)
            loaded = current
            _log.info("webhook certificate reloaded")
        except OSError as error:
            _log.error("cannot load the new webhook certificate; the old one stays in use", error=str(error))


def _modification_times(settings: Settings) -> tuple[int, ...]:
    files = (settings.webhook_tls_cert, settings.webhook_tls_key)
    return tuple(path.stat().st_mtime_ns for file in files if file and (path := Path(file)).exists())


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
