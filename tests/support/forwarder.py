"""A TCP forwarder, for example to the API server, that can be cut: packets vanish and connections stay open."""

import asyncio
import threading
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import yaml

_CHUNK = 65536


class Forwarder:
    """Carries connections to one server, in a thread of its own. Use it as a context manager."""

    def __init__(self, server: str, address: str = "127.0.0.1", port: int = 0) -> None:
        self._target = urlsplit(server)
        self._address = address
        self._up = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None
        self._whole: asyncio.Event | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="forwarder", daemon=True)
        self.port = port

    def __enter__(self):
        self._thread.start()
        assert self._up.wait(10), "the forwarder does not start"
        return self

    def __exit__(self, *exc: object) -> None:
        self.restore()
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)

    def cut(self) -> None:
        """Let nothing through from now on; connections stay open."""
        self._loop.call_soon_threadsafe(self._whole.clear)

    def restore(self) -> None:
        """Let all data through again, including what was held back."""
        self._loop.call_soon_threadsafe(self._whole.set)

    def kubeconfig(self, path: Path, folder: Path) -> Path:
        """A kubeconfig for the same cluster and user through this forwarder."""
        config = yaml.safe_load(path.read_text())
        config["clusters"][0]["cluster"] |= {
            "server": f"https://127.0.0.1:{self.port}",
            "tls-server-name": self._target.hostname,
        }
        made = folder / "kubeconfig-forwarded"
        made.write_text(yaml.safe_dump(config))
        return made

    async def _serve(self) -> None:
        self._loop, self._end, self._whole = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
        self._whole.set()
        server = await asyncio.start_server(self._carry, self._address, self.port)
        self.port = server.sockets[0].getsockname()[1]
        self._up.set()
        await self._end.wait()
        server.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(self._target.hostname, self._target.port)
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
