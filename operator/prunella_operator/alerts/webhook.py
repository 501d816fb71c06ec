"""The source of alerts: `POST /webhooks/alertmanager`. What it answers decides whether Alertmanager sends again.

200: every alert is stored. 4xx: not understood or not allowed, and nothing is stored. 5xx: not stored, send again.
Who is not allowed in learns nothing, and no answer quotes what was sent.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from aiohttp import web

from prunella_operator import clock
from prunella_operator.alerts.payload import Malformed, Unprocessable, parse
from prunella_operator.alerts.rate_limit import RateLimit
from prunella_operator.alerts.tokens import NoTokens
from prunella_operator.observability import metrics
from prunella_workflows.model.alert import Alert
from prunella_workflows.model.errors import Retryable

PATH = "/webhooks/alertmanager"

_log = structlog.get_logger("prunella.alerts")

_AT_ONCE = 16  # requests whose bodies are in memory
_BODY_WITHIN = 5.0  # seconds
_WITHIN = 9.0  # seconds for the whole answer: Alertmanager gives up after 10 at the earliest, and sends again anyway
_AGAIN = "10"  # seconds; what Retry-After says when something of ours is away


class Store(Protocol):
    """Where alerts are kept."""

    async def store(self, alerts: tuple[Alert, ...]) -> None:
        """Keep all of them; Retryable when that is not certain."""


Accepts = Callable[[str], bool]
"""Whether an Authorization header is good."""


def everybody(_authorization: str) -> bool:
    """For a webhook that something else protects: loopback, client certificates, or nothing by the owner's wish."""
    return True


@dataclass(slots=True)
class Webhook:
    """The handler. `limit` is of authorised requests only, so that strangers cannot use it up."""

    store: Store
    accepts: Accepts
    limit: RateLimit
    max_body: int
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))

    def app(self) -> web.Application:
        """The application."""
        app = web.Application()
        app.router.add_post(PATH, self._post)
        return app

    async def _post(self, request: web.Request) -> web.Response:
        began = clock.monotonic()
        answer = self._refusal(request) or await self._taken(request)
        metrics.WEBHOOK_REQUESTS.labels(str(answer.status)).inc()
        metrics.WEBHOOK_SECONDS.observe(clock.monotonic() - began)
        return answer

    def _refusal(self, request: web.Request) -> web.Response | None:
        """Why the body is not even read."""
        try:
            allowed = self.accepts(request.headers.get("Authorization", ""))
        except NoTokens as error:
            _log.error("alerts cannot be let in", error=str(error))
            return _answer(503, "no tokens to compare with", {"Retry-After": _AGAIN})
        if not allowed:
            return _answer(401, "", {"WWW-Authenticate": "Bearer"})
        if (seconds := self.limit.wait()) > 0:
            return _answer(429, "too many requests", {"Retry-After": str(seconds)})
        if request.content_type != "application/json" or "Content-Encoding" in request.headers:
            return _answer(415, "expected application/json, not compressed")
        if (request.content_length or 0) > self.max_body:
            return self._too_large()
        return None

    async def _taken(self, request: web.Request) -> web.Response:
        """The answer, if it is ready in time. What was stored by then joins when it comes again."""
        try:
            async with asyncio.timeout(_WITHIN), self._slots:
                return await self._take(request)
        except TimeoutError:
            _log.warning("a notification took too long; alertmanager sends it again")
            return _answer(503, "not stored in time, send again", {"Retry-After": _AGAIN})

    async def _take(self, request: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(_BODY_WITHIN):
                body = await self._body(request)
        except TimeoutError:
            return _answer(408, "the body did not come in time")
        if body is None:
            return self._too_large()
        try:
            alerts, left_out = parse(body)
        except Malformed as error:
            return _answer(400, str(error))
        except Unprocessable as error:
            return _answer(422, str(error))
        if left_out:
            _log.warning("alertmanager left alerts out of a notification; set its max_alerts to 0", left_out=left_out)
        return await self._stored(alerts)

    async def _body(self, request: web.Request) -> bytes | None:
        """The body; None when it is too large, however large it said it would be."""
        body = bytearray()
        async for part in request.content.iter_chunked(1 << 16):
            body += part
            if len(body) > self.max_body:
                return None
        return bytes(body)

    async def _stored(self, alerts: tuple[Alert, ...]) -> web.Response:
        try:
            await self.store.store(alerts)
        except Retryable as error:
            metrics.ALERTS.labels("unstored").inc(len(alerts))
            _log.warning("alerts are not stored; alertmanager sends them again", alerts=len(alerts), error=str(error))
            return _answer(503, "not stored, send again", {"Retry-After": _AGAIN})
        for alert in alerts:
            metrics.ALERTS.labels(alert.status.value).inc()
        return _answer(200, f"{len(alerts)} stored")

    def _too_large(self) -> web.Response:
        return _answer(413, f"expected at most {self.max_body} bytes")


def _answer(status: int, text: str, headers: dict[str, str] | None = None) -> web.Response:
    safe = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", **(headers or {})}
    return web.Response(status=status, text=f"{text}\n" if text else "", headers=safe)
