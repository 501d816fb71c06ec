"""TCP connections from one address to a server at another, such as from pods to a server on loopback."""

import asyncio
import threading
from contextlib import suppress
from typing import Self

from localcluster.console import ClusterError

_CHUNK = 65536
_WITHIN_SECONDS = 10.0


class Relay:
    """Carries connections to one server, in a thread of its own. Use it as a context manager.

    It can be cut: packets vanish and connections stay open.
    """

    def __init__(self, server: tuple[str, int], address: str = "127.0.0.1", port: int = 0) -> None:
        self._server, self._address, self.port = server, address, port
        self._up = threading.Event()
        self._error: OSError | None = None
        self._loop = asyncio.new_event_loop()
        self._end, self._whole = asyncio.Event(), asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)

    def __enter__(self) -> Self:
        """Listen. Raises ClusterError where that fails, such as for a port that is taken, or takes too long."""
        self._thread.start()
        if not self._up.wait(_WITHIN_SECONDS):
            raise ClusterError(f"does not listen on {self._address}:{self.port} after {_WITHIN_SECONDS:g} s")
        if self._error:
            raise ClusterError(f"cannot listen on {self._address}:{self.port}: {self._error}") from self._error
        return self

    def __exit__(self, *_: object) -> None:
        self.restore()
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(_WITHIN_SECONDS)

    def cut(self) -> None:
        """Let nothing through from now on; connections stay open."""
        self._loop.call_soon_threadsafe(self._whole.clear)

    def restore(self) -> None:
        """Let all data through again, including what was held back."""
        self._loop.call_soon_threadsafe(self._whole.set)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._whole.set()
        try:
            server = await asyncio.start_server(self._carry, self._address, self.port)
        except OSError as error:
            self._error = error
            self._up.set()
            return
        self.port = server.sockets[0].getsockname()[1]
        self._up.set()
        await self._end.wait()
        server.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection; a server that is away closes it."""
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._server)
        except OSError:
            writer.close()
            return
        ways = [self._pipe(reader, far_writer), self._pipe(far_reader, writer)]
        with suppress(OSError, asyncio.CancelledError):
            await asyncio.gather(*ways)

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(_CHUNK):
                await self._whole.wait()
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()
