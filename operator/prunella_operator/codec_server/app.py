"""Temporal's remote codec protocol for its web page and command line: `POST /decode`, and `/encode` where allowed.

200: the payloads. 401, 403: the token or the origin is unknown. 4xx: the request cannot be used. 503: the keys or the
issuer of tokens cannot be read. No response and no log line quotes a payload or a token.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass

import structlog
from aiohttp import web
from google.protobuf import json_format
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.converter import PayloadCodec

from prunella_operator.codec_server.access import Identify
from prunella_operator.temporal.payload_codec import CannotDecrypt, KeyFileError
from prunella_workflows.model.errors import Unavailable

_log = structlog.get_logger("prunella.codec")

_MAX_BODY_BYTES = 16 << 20
_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Vary": "Origin"}
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": "authorization, authorization-extras, content-type, x-namespace",
    "Access-Control-Max-Age": "600",
}
"""The headers that Temporal's web page sends."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Convert = Callable[[Sequence[Payload]], Awaitable[list[Payload]]]


@dataclass(frozen=True)
class CodecServer:
    """The HTTP application. Browsers may call it from pages of `origins` only; `encode` serves /encode too."""

    codec: PayloadCodec
    identify: Identify
    origins: Collection[str] = ()
    encode: bool = False

    def app(self) -> web.Application:
        """Build the application."""
        app = web.Application(middlewares=[self._guard], client_max_size=_MAX_BODY_BYTES)
        app.router.add_get("/healthz", _healthz)
        app.router.add_post("/decode", self._decode)
        if self.encode:
            app.router.add_post("/encode", self._encode)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Reject pages of other origins before anything else, and let those of ours read each response."""
        origin = request.headers.get("Origin")
        if origin is not None and origin not in self.origins:
            response: web.StreamResponse = _response(403, "pages of this origin may not call: see codec_origins")
        else:
            response = await _respond(request, handler)
            response.headers.update({"Access-Control-Allow-Origin": origin} if origin else {})
        response.headers.update(_HEADERS)
        return response

    async def _decode(self, request: web.Request) -> web.Response:
        return await self._convert(request, self.codec.decode)

    async def _encode(self, request: web.Request) -> web.Response:
        return await self._convert(request, self.codec.encode)

    async def _convert(self, request: web.Request, convert: Convert) -> web.Response:
        """Authorize by the headers, before the body is read."""
        try:
            caller = await self.identify(request.headers.get("Authorization", ""))
            if caller is None:
                return _response(401, "", {"WWW-Authenticate": "Bearer"})
            payloads = json_format.Parse(await request.text(), Payloads()).payloads
            converted = Payloads(payloads=await convert(payloads))
        except (Unavailable, KeyFileError) as error:
            _log.error("cannot serve", path=request.path, error=str(error))
            return _response(503, "the keys or the issuer of tokens cannot be read: see the log of the codec server")
        except (json_format.ParseError, UnicodeDecodeError):
            return _response(400, 'expected {"payloads": [...]} as JSON, with data in base64')
        except CannotDecrypt as error:
            return _response(422, str(error))
        _log.info("converted", path=request.path, payloads=len(payloads), caller=caller)
        return web.json_response(text=json_format.MessageToJson(converted))


async def _healthz(_request: web.Request) -> web.Response:
    return _response(200, "ok")


async def _respond(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.method == "OPTIONS":
        return web.Response(status=204, headers=_PREFLIGHT)
    try:
        return await handler(request)
    except web.HTTPException as error:
        return _response(error.status, error.reason)


def _response(status: int, text: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, text=f"{text}\n" if text else "", headers=headers)
