"""HTTP sessions whose connections are closed when the session is, whatever happened to their requests."""

import asyncio
from typing import Any
from weakref import WeakKeyDictionary

import aiohttp
from aiohttp.client_proto import ResponseHandler


def open_session(timeout: aiohttp.ClientTimeout | None = None) -> aiohttp.ClientSession:
    """Open a session; use it as an async context manager."""
    return aiohttp.ClientSession(connector=_Connector(), timeout=timeout or aiohttp.ClientTimeout())


class _Connector(aiohttp.TCPConnector):
    """A connector that also waits for connections of cancelled requests.

    Those begin an orderly end of TLS that aiohttp does not wait for: they would outlive the session and its loop.
    """

    def __init__(self) -> None:
        super().__init__()
        self._transports: WeakKeyDictionary[ResponseHandler, asyncio.Transport | None] = WeakKeyDictionary()

    async def _create_connection(self, *args: Any) -> ResponseHandler:
        protocol = await super()._create_connection(*args)
        self._transports[protocol] = protocol.transport
        return protocol

    async def close(self, *, abort_ssl: bool = False) -> None:
        """Close all connections, and wait until they are closed."""
        await super().close(abort_ssl=abort_ssl)
        opened = tuple(self._transports.items())
        closing = [closed for protocol, _ in opened if (closed := protocol.closed)]
        for transport in (transport for _, transport in opened if transport):
            transport.abort()
        await asyncio.gather(*closing, return_exceptions=True)
