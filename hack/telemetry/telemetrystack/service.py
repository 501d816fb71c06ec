"""One part of the stack as a child process: its folder, its log, and start, stop and kill."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from localcluster.console import ClusterError


class StackError(ClusterError):
    """A part did not start or stop as it should."""


class Service(ABC):
    """A program with a temporary folder of its own; started again, it finds its files and ports as they were.

    It runs in a session of its own, so that Ctrl-C reaches only the program that started it.
    """

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    start_within: ClassVar[float] = 60.0
    stop_within: ClassVar[float] = 60.0

    def __init__(self, log: Path | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"prunella-{self.name}-"))
        self.log = log or self.folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """The command line."""

    @abstractmethod
    def answers(self) -> bool:
        """Can it be used now?"""

    def environment(self) -> Mapping[str, str]:
        """The variables of the process."""
        return os.environ

    def user(self) -> Mapping[str, Any]:
        """The user of the process, as arguments of Popen; by default ours."""
        return {}

    @abstractmethod
    def prepare(self) -> None:
        """Do what must be done once, before the first start."""

    def __enter__(self) -> Self:
        try:
            self.prepare()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self._process:
                self.stop()
        finally:
            shutil.rmtree(self.folder)

    @property
    def pid(self) -> int:
        """The id of the running process."""
        if self._process is None:
            raise StackError(f"{self.name} is not running")
        return self._process.pid

    def start(self, *more: str) -> None:
        """Start it, with more arguments, and wait until it answers.

        Raises:
            StackError: it ended, or does not answer in time.
        """
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self.command(), *more],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=self.environment(),
                start_new_session=True,
                **self.user(),
            )
        deadline = time.monotonic() + self.start_within
        while not self.answers():
            if self._process.poll() is not None:
                raise StackError(f"{self.name} ended by itself:\n{self.tail()}")
            if time.monotonic() > deadline:
                raise StackError(f"{self.name} does not answer after {self.start_within:.0f} s:\n{self.tail()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Ask it to end, and wait.

        Raises:
            StackError: it did not end in time, and was killed.
        """
        try:
            self._end(self.stop_signal)
        except subprocess.TimeoutExpired as error:
            raise StackError(f"{self.name} did not end within {self.stop_within:.0f} s:\n{self.tail()}") from error

    def kill(self) -> None:
        """End it without warning (SIGKILL)."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> int:
        """Its exit code after the signal."""
        process, self._process = self._process, None
        if process is None:
            raise StackError(f"{self.name} is not running")
        process.send_signal(number)
        try:
            return process.wait(self.stop_within)
        finally:
            process.kill()
            process.wait()

    def tail(self, lines: int = 40) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""
