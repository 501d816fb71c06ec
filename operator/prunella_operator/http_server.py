"""An HTTP server as part of a process."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from aiohttp import web

from prunella_workflows.model.errors import Permanent


class CannotListen(Permanent):
    """The address is in use, or the certificate is invalid."""


class Listener(NamedTuple):
    """An address, the name of the server there, and the setting of its port."""

    what: str
    host: str
    port: int
    setting: str


@asynccontextmanager
async def serve(runner: web.AppRunner, at: Listener, context: ssl.SSLContext | None = None) -> AsyncIterator[None]:
    """Serve an application for as long as the context is open.

    Raises:
        CannotListen: the address is not free.
    """
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, at.host, at.port, ssl_context=context).start()
        except OSError as error:
            problem = f"cannot serve {at.what} on {at.host}:{at.port}: {error.strerror}"
            raise CannotListen(f"{problem}. Choose another {at.setting}") from error
        yield
    finally:
        await runner.cleanup()
