"""One process of the Temporal development server: start it, keep the tail of its output, stop it."""

import asyncio
import shutil
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Self

from prunella_operator.config.settings import Settings
from prunella_workflows.model.errors import Permanent

LOOPBACK = "127.0.0.1"  # it has no authentication, so no other machine may reach it
STOP_TIMEOUT_SECONDS = 5.0
_TAIL_LINES = 15


class ServerFailed(Permanent):
    """The embedded server cannot run; the message has its own output."""


def arguments(settings: Settings) -> list[str]:
    """Build the command line. `setpriv` stops the server with us: a SIGKILL leaves no orphan on port and file."""
    die_with_parent = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
    options = {
        "--ip": LOOPBACK,
        "--port": settings.temporal_port,
        "--ui-port": settings.temporal_ui_port,
        "--db-filename": _database_path(settings),
        "--namespace": settings.temporal_namespace,
        "--sqlite-pragma": "journal_mode=wal",  # three times as many writes a second; a kill loses none of them
        "--log-level": "error",
    }
    flags = (str(part) for pair in options.items() for part in pair)
    return [*die_with_parent, str(_find_binary()), "server", "start-dev", *flags]


def _database_path(settings: Settings) -> Path:
    return Path(settings.temporal_db).expanduser()


def _find_binary() -> Path:
    beside = Path(sys.executable).parent / "temporal"  # where the extra `embedded` puts it; not resolved on purpose
    found = beside if beside.exists() else shutil.which("temporal")
    if found is None:
        raise ServerFailed(
            f"the `temporal` program is missing: expected {beside}. Do: pip install 'prunella[embedded]'"
        )
    return Path(found)


class ServerProcess:
    """A running server."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._lines: deque[str] = deque(maxlen=_TAIL_LINES)
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, settings: Settings) -> Self:
        """Start it in a session of its own: a Ctrl-C on the terminal reaches only us, and we stop it in order."""
        _database_path(settings).parent.mkdir(parents=True, exist_ok=True)
        process = await asyncio.create_subprocess_exec(
            *arguments(settings), stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, start_new_session=True
        )
        return cls(process)

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """True once it has exited."""
        return self._process.returncode is not None

    @property
    def output_tail(self) -> str:
        """The last lines of its output."""
        return "\n".join(self._lines) or "(no output)"

    async def wait(self) -> int:
        """Wait for its exit; return the exit code, or minus the signal."""
        code = await self._process.wait()
        await self._reader
        return code

    async def stop(self) -> None:
        """Terminate it, so that it closes its database; kill it after `STOP_TIMEOUT_SECONDS`."""
        self._send(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.wait(), STOP_TIMEOUT_SECONDS)
        except TimeoutError:
            self._send(signal.SIGKILL)
            await self.wait()

    def _send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            self._lines.append(line.decode(errors="replace").rstrip())
