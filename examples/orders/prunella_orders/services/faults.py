"""Faults that a process has on demand, by ORDERS_FAULTS (JSON); a service also by `PUT /faults`, until it ends."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import BaseModel, ConfigDict, Field

from prunella_orders.http import read

_EXEMPT = ("/faults", "/healthz", "/readyz", "/metrics")


class Faults(BaseModel):
    """The faults of a service or a worker: none by default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    delay_seconds: float = Field(0.0, ge=0, description="before each answer")
    down: bool = Field(default=False, description="answer 503 and do nothing")
    mute: bool = Field(default=False, description="do it, and close the connection without an answer")
    twice: bool = Field(default=False, description="send each callback twice")
    memory_mib: int = Field(0, ge=0, description="so much memory a worker needs more, from its start")


@contextmanager
def holding(mebibytes: int) -> Iterator[None]:
    """Hold so much memory, and use all of it."""
    held = b"\1" * (mebibytes << 20)
    yield
    del held


class Faulty:
    """The current faults, and the middleware that has them."""

    def __init__(self, faults: Faults) -> None:
        self.now = faults

    def add_routes(self, app: web.Application) -> None:
        """Add the switch to an application."""
        app.router.add_put("/faults", self._put)

    async def _put(self, request: web.Request) -> web.Response:
        self.now = await read(request, Faults)
        return web.json_response(self.now.model_dump())

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Serve the request with the faults that are set."""
        if request.path in _EXEMPT:
            return await handler(request)
        await asyncio.sleep(self.now.delay_seconds)
        if self.now.down:
            return web.Response(status=503)
        response = await handler(request)
        if self.now.mute and request.transport:
            request.transport.close()
        return response
