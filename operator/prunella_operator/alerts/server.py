"""Where the webhook listens, whom it lets in, and its TLS. By default nobody from outside gets in without a secret."""

import asyncio
import contextlib
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import structlog
from aiohttp import web
from temporalio.client import Client

from prunella_operator.alerts.dispatcher import AlertDispatcher
from prunella_operator.alerts.rate_limit import RateLimit
from prunella_operator.alerts.tokens import TokenFile
from prunella_operator.alerts.webhook import Accepts, Webhook, everybody
from prunella_operator.config.settings import Settings
from prunella_operator.process import Process
from prunella_workflows.model.errors import Permanent

LOOPBACK = "127.0.0.1"

_log = structlog.get_logger("prunella.alerts")

_LOOK_AT_FILES = 30.0


class CannotListen(Permanent):
    """The webhook's address is in use, or its certificate makes no sense."""


@dataclass(frozen=True)
class Exposure:
    """The address that is really served, and a warning when that is not the one that was asked for."""

    host: str
    warning: str = ""


def exposure(settings: Settings) -> Exposure:
    """Loopback only, unless a token, a client certificate or the owner's word protects the webhook."""
    protected = settings.webhook_token_file or settings.webhook_client_ca or settings.webhook_open
    if protected or _is_loopback(settings.webhook_host):
        return Exposure(settings.webhook_host)
    warning = "the webhook is served on loopback only: set webhook_token_file, webhook_client_ca or webhook_open"
    return Exposure(LOOPBACK, warning)


@asynccontextmanager
async def run_webhook(settings: Settings, client: Client, process: Process) -> AsyncIterator[None]:
    """The webhook, for as long as the context is open; nothing when its port is 0.

    Raises:
        CannotListen: the port is taken, or the certificate cannot be loaded.
    """
    if settings.webhook_port == 0:
        yield
        return
    accepts: Accepts = everybody
    if settings.webhook_token_file:
        tokens = TokenFile(Path(settings.webhook_token_file))
        accepts, process.checks["webhook"] = tokens.accepts, tokens.problem
    limit = RateLimit(settings.webhook_rate, settings.webhook_burst)
    webhook = Webhook(AlertDispatcher(client, settings.task_queue), accepts, limit, settings.webhook_max_body)
    runner = web.AppRunner(webhook.app(), access_log=None, auto_decompress=False)
    await runner.setup()
    try:
        async with _certified(settings) as context:
            await _listen(runner, settings, context)
            yield
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, settings: Settings, context: ssl.SSLContext | None) -> None:
    where = exposure(settings)
    if where.warning:
        _log.warning(where.warning)
    try:
        await web.TCPSite(runner, where.host, settings.webhook_port, ssl_context=context).start()
    except OSError as error:
        address = f"{where.host}:{settings.webhook_port}"
        raise CannotListen(
            f"cannot serve the webhook on {address}: {error.strerror}. Choose another webhook_port"
        ) from error
    _log.info("the webhook listens", host=where.host, port=settings.webhook_port, tls=context is not None)


@asynccontextmanager
async def _certified(settings: Settings) -> AsyncIterator[ssl.SSLContext | None]:
    """The TLS context, whose certificate is exchanged when its files change; None without TLS."""
    if not (settings.webhook_tls_cert or settings.webhook_tls_key or settings.webhook_client_ca):
        yield None
        return
    context = tls_context(settings)
    renewing = asyncio.create_task(_renew(context, settings))
    try:
        yield context
    finally:
        renewing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await renewing


def tls_context(settings: Settings) -> ssl.SSLContext:
    """TLS as the settings want it; with a client CA nobody without a certificate of it gets in.

    Raises:
        CannotListen: a file is missing or makes no sense.
    """
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


async def _renew(context: ssl.SSLContext, settings: Settings) -> NoReturn:
    """New connections get the certificate that is in the files now; a pair that does not fit is tried again."""
    used = _stamps(settings)
    while True:
        await asyncio.sleep(_LOOK_AT_FILES)
        if (now := _stamps(settings)) == used:
            continue
        try:
            _load(context, settings)
            used = now
            _log.info("the webhook has a new certificate")
        except OSError as error:
            _log.error("the webhook's new certificate cannot be loaded; the old one stays", error=str(error))


def _stamps(settings: Settings) -> tuple[int, ...]:
    files = (settings.webhook_tls_cert, settings.webhook_tls_key)
    return tuple(path.stat().st_mtime_ns for file in files if file and (path := Path(file)).exists())


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
