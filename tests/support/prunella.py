"""Prunella as a process: `prunella run`, or operator and worker apart, on free ports and with a state of its own."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from localcluster.environment import caller_environment
from localcluster.ports import free_ports

READY_WITHIN = 90.0
STOP_WITHIN = 45.0  # a worker's grace is 30 seconds
_LAST_LINES = 60


class PrunellaProcess:
    """One process. The same object can be started again: it keeps its ports, its Temporal data and its log."""

    def __init__(self, folder: Path, kubeconfig: Path, command: str = "run", **settings: object) -> None:
        self._folder = folder
        self._command = command
        http, temporal, page = free_ports(3)
        self.settings = {
            "kubeconfig": kubeconfig,
            "http_port": http,
            "console_port": 0,
            "webhook_port": 0,
            "log_format": "text",
            "temporal_db": folder / "temporal.db",
            **({"temporal_port": temporal, "temporal_ui_port": page} if command == "run" else {}),
            **settings,
        }
        self.log = folder / f"{command}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._ever: list[int] = []

    def __enter__(self) -> Self:
        try:
            self.start()
            self.wait_ready()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        assert self._process is not None, "it is not running"
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it; settings travel as environment variables, as they do in a pod."""
        assert not self.running, "it runs already"
        self._folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.line(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment(),
                cwd=self._folder,
                start_new_session=True,
            )

    def line(self) -> list[str]:
        """The command line."""
        return [sys.executable, "-m", "prunella_operator", self._command]

    def environment(self) -> dict[str, str]:
        """The environment of the process."""
        ours = {f"PRUNELLA_{name.upper()}": str(value) for name, value in self.settings.items()}
        return {**caller_environment(), **ours, "XDG_STATE_HOME": str(self._folder), "NO_COLOR": "1"}

    def wait_ready(self, seconds: float = READY_WITHIN) -> None:
        """Return when /readyz reports ready."""
        end, said = time.monotonic() + seconds, ""
        while time.monotonic() < end:
            assert self.running, f"prunella ended by itself:\n{self.tail()}"
            try:
                return self.http("/readyz") and None
            except OSError as error:
                said = str(error)
            time.sleep(0.2)
        raise AssertionError(f"prunella is not ready after {seconds:.0f} s ({said}):\n{self.tail()}")

    def http(self, path: str) -> str:
        """Return an answer of its HTTP server."""
        host = self.settings.get("http_host", "127.0.0.1")
        with urllib.request.urlopen(f"http://{host}:{self.settings['http_port']}{path}", timeout=5) as answer:
            return answer.read().decode()

    def stop(self) -> None:
        """Stop it, and assert that it ends with code 0, in time, and leaves nothing behind."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            self._end()
            raise AssertionError(f"prunella did not stop within {STOP_WITHIN:.0f} s:\n{self.tail()}") from None
        self._process = None
        left = self._end()
        assert code == 0, f"prunella ended with code {code}:\n{self.tail()}"
        assert not left, f"prunella left processes behind: {left}"

    def kill(self) -> None:
        """SIGKILL, as by a node failure or the OOM killer. Its Temporal server must end with it."""
        assert self._process is not None, "it is not running"
        self._process.kill()
        self._process.wait()
        self._process = None
        left = self._end(within=10)
        assert not left, f"prunella left processes behind after SIGKILL: {left}"

    def _end(self, within: float = 2) -> list[str]:
        """Wait for the last of its processes; what is still there then is named and killed, one by one."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        end = time.monotonic() + within
        while (left := list(self._left())) and time.monotonic() < end:
            time.sleep(0.1)
        for pid, _ in left:
            os.kill(pid, signal.SIGKILL)
        return [f"{pid} {name}" for pid, name in left]

    def _left(self) -> Iterator[tuple[int, str]]:
        """Processes that inherited our settings: no other has this database."""
        mark = f"PRUNELLA_TEMPORAL_DB={self.settings['temporal_db']}\0".encode()
        for path in Path("/proc").glob("[0-9]*"):
            try:
                ours = mark in (path / "environ").read_bytes() + b"\0"
                name = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue  # it ended meanwhile, or is another user's
            if ours and name and int(path.name) != os.getpid():
                yield int(path.name), name

    def tail(self, lines: int = _LAST_LINES) -> str:
        """The end of its log."""
        return (
            "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else "(no log)"
        )

    def logged(self) -> str:
        """Its whole log."""
        return self.log.read_text(errors="replace")

    def diagnostics(self) -> Iterator[tuple[str, str]]:
        """Yield the parts of a failed test's report."""
        yield f"the end of {self.log.name}", self.tail()


@dataclass(frozen=True)
class SeparateProcesses:
    """Operator and worker as processes of their own, seen as one Prunella."""

    operator: PrunellaProcess
    worker: PrunellaProcess

    @property
    def settings(self) -> dict[str, object]:
        """The settings of the operator, which also receives alerts."""
        return self.operator.settings

    @property
    def running(self) -> bool:
        """True while both run."""
        return self.operator.running and self.worker.running

    def http(self, path: str) -> str:
        """Return an answer of the operator's HTTP server."""
        return self.operator.http(path)

    def tail(self, lines: int = _LAST_LINES) -> str:
        """The ends of both logs."""
        return f"{self.operator.tail(lines)}\n{self.worker.tail(lines)}"

    def logged(self) -> str:
        """Both logs."""
        return f"{self.operator.logged()}\n{self.worker.logged()}"

    def diagnostics(self) -> Iterator[tuple[str, str]]:
        """Yield the parts of a failed test's report."""
        yield from self.operator.diagnostics()
        yield from self.worker.diagnostics()
