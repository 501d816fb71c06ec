"""The source of alerts: `POST /webhooks/alertmanager`. By the status code Alertmanager decides whether to retry.

200: every alert is stored. 4xx: invalid or not allowed, and nothing is stored. 5xx: not stored, send again.
Unauthorized clients learn nothing, and no response quotes the request.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
from aiohttp import web

from prunella_operator import clock
from prunella_operator.alerts.dispatcher import AlertDispatcher
from prunella_operator.alerts.payload import Malformed, Unprocessable, parse
from prunella_operator.alerts.rate_limit import RateLimit
from prunella_operator.alerts.tokens import NoTokens
from prunella_operator.observability import metrics
from prunella_workflows.model.alert import Alert
from prunella_workflows.model.errors import Retryable

PATH = "/webhooks/alertmanager"

_log = structlog.get_logger("prunella.alerts")

_MAX_CONCURRENT_REQUESTS = 16  # with their bodies in memory
_BODY_TIMEOUT_SECONDS = 5.0
_REQUEST_TIMEOUT_SECONDS = 9.0  # Alertmanager gives up after 10 at the earliest, and sends again anyway
_RETRY_AFTER_SECONDS = "10"  # while something of ours is unavailable

IsAuthorized = Callable[[str], bool]
"""Checks an Authorization header."""


def allow_all(_authorization: str) -> bool:
    """Allow all, behind other protection: loopback, client certificates, or none if the settings say so."""
    return True


@dataclass(slots=True)
class Webhook:
    """The request handler. `limit` counts authorized requests only, so that others cannot exhaust it."""

    dispatcher: AlertDispatcher
    is_authorized: IsAuthorized
    limit: RateLimit
    max_body: int
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_MAX_CONCURRENT_REQUESTS))

    def app(self) -> web.Application:
        """Build the application."""
        app = web.Application()
        app.router.add_post(PATH, self._post)
        return app

    async def _post(self, request: web.Request) -> web.Response:
        began = clock.monotonic()
        response = self._reject(request) or await self._handle_in_time(request)
        metrics.WEBHOOK_REQUESTS.labels(str(response.status)).inc()
        metrics.WEBHOOK_SECONDS.observe(clock.monotonic() - began)
        return response

    def _reject(self, request: web.Request) -> web.Response | None:
        """Reject a request by its headers, before its body is read."""
        try:
            allowed = self.is_authorized(request.headers.get("Authorization", ""))
        except NoTokens as error:
            _log.error("cannot authorize alerts", error=str(error))
            return _response(503, "no tokens to compare with", {"Retry-After": _RETRY_AFTER_SECONDS})
        if not allowed:
            return _response(401, "", {"WWW-Authenticate": "Bearer"})
        if (seconds := self.limit.wait()) > 0:
            return _response(429, "too many requests", {"Retry-After": str(seconds)})
        if request.content_type != "application/json" or "Content-Encoding" in request.headers:
            return _response(415, "expected application/json, not compressed")
        if (request.content_length or 0) > self.max_body:
            return self._too_large()
        return None

    async def _handle_in_time(self, request: web.Request) -> web.Response:
        """Handle a request before Alertmanager gives up. Alerts that were stored by then are deduplicated later."""
        try:
            async with asyncio.timeout(_REQUEST_TIMEOUT_SECONDS), self._slots:
                return await self._handle(request)
        except TimeoutError:
            _log.warning("a notification timed out; alertmanager sends it again")
            return _response(503, "not stored in time, send again", {"Retry-After": _RETRY_AFTER_SECONDS})

    async def _handle(self, request: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(_BODY_TIMEOUT_SECONDS):
                body = await self._read_body(request)
        except TimeoutError:
            return _response(408, "the body did not arrive in time")
        if body is None:
            return self._too_large()
        try:
            alerts, left_out = parse(body)
        except Malformed as error:
            return _response(400, str(error))
        except Unprocessable as error:
            return _response(422, str(error))
        if left_out:
            _log.warning("alertmanager truncated a notification; set its max_alerts to 0", left_out=left_out)
        return await self._store(alerts)

    async def _read_body(self, request: web.Request) -> bytes | None:
        """Read the body; None when it is too large, whatever its Content-Length."""
        body = bytearray()
        async for part in request.content.iter_chunked(1 << 16):
            body += part
            if len(body) > self.max_body:
                return None
        return bytes(body)

    async def _store(self, alerts: tuple[Alert, ...]) -> web.Response:
        try:
            await self.dispatcher.dispatch(alerts)
        except Retryable as error:
            metrics.ALERTS.labels("unstored").inc(len(alerts))
            _log.warning("alerts are not stored; alertmanager sends them again", alerts=len(alerts), error=str(error))
            return _response(503, "not stored, send again", {"Retry-After": _RETRY_AFTER_SECONDS})
        for alert in alerts:
            metrics.ALERTS.labels(alert.status.value).inc()
        return _response(200, f"{len(alerts)} stored")

    def _too_large(self) -> web.Response:
        return _response(413, f"expected at most {self.max_body} bytes")


def _response(status: int, text: str, headers: dict[str, str] | None = None) -> web.Response:
    safe = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", **(headers or {})}
    return web.Response(status=status, text=f"{text}\n" if text else "", headers=safe)
