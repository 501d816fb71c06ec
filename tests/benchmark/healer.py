"""A healer as a process: its command line, its environment, and how it begins and ends."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

from localcluster import build
from localcluster.environment import caller_environment

ROOT = Path(__file__).parents[2]
BUILT_IN = ("none", "restart-loop", "rollout-undo", "vpa", "prunella")
_PROGRAMS = {"vpa": ("metrics-server", "vpa-recommender", "vpa-updater", "vpa-admission-controller")}
SELECTOR = "BENCHMARK_NAMESPACE_SELECTOR"
READY = "ready"
_READY_WITHIN = 180.0
_ENDS_WITHIN = 60.0
_LAST_LINES = 20


class HealerFailed(Exception):
    """A healer that cannot be started, ended by itself, or did not end when it was asked to."""


def command_of(healer: str) -> list[str]:
    """The command line of a built-in healer, or of any other program with its arguments.

    Raises:
        HealerFailed: there is no such program.
    """
    if healer in BUILT_IN:
        return [sys.executable, "-m", f"benchmark.healers.{healer.replace('-', '_')}"]
    program, *arguments = shlex.split(healer) or [""]
    found = shutil.which(program)
    if not found:
        raise HealerFailed(f"{program or 'an empty name'} is no program; built in are {', '.join(BUILT_IN)}")
    return [str(Path(found).absolute()), *arguments]


def build_programs(healer: str) -> None:
    """Build what a built-in healer runs, so that the time in which it must be ready is no compiler's."""
    for name in _PROGRAMS.get(healer, ()):
        build.ensure(name)


def name_of(healer: str) -> str:
    """The name in the table."""
    return healer if healer in BUILT_IN else Path(shlex.split(healer)[0]).name


class Healer:
    """A running healer. Its standard output and errors go to `log`, its working folder is deleted by the caller."""

    def __init__(self, command: list[str], kubeconfig: Path, selector: str, folder: Path) -> None:
        self._command = command
        self._environment = _environment(kubeconfig, selector)
        self._folder = folder
        self.log = folder / "healer.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self._folder,
                env=self._environment,
                start_new_session=True,
            )
        try:
            self._await_ready()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        if not self._stop() and exc == (None, None, None):
            raise HealerFailed(f"the healer did not end within {_ENDS_WITHIN:.0f} s of SIGTERM")

    def assert_running(self) -> None:
        """Raise HealerFailed if it has ended."""
        assert self._process, "it was not started"
        if self._process.poll() is not None:
            raise HealerFailed(f"the healer ended by itself, with code {self._process.returncode}:\n{self._tail()}")

    def _await_ready(self) -> None:
        end = time.monotonic() + _READY_WITHIN
        while READY not in self.log.read_text(errors="replace").splitlines():
            self.assert_running()
            if time.monotonic() > end:
                raise HealerFailed(f"the healer did not say `{READY}` within {_READY_WITHIN:.0f} s:\n{self._tail()}")
            time.sleep(0.2)

    def _stop(self) -> bool:
        """Ask it to end; kill what is left of its process group. Returns whether it ended when asked."""
        assert self._process, "it was not started"
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_ENDS_WITHIN)
        ended = self._process.poll() is not None
        with suppress(ProcessLookupError):  # none is left
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        return ended

    def _tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-_LAST_LINES:])


def _environment(kubeconfig: Path, selector: str) -> dict[str, str]:
    """The caller's environment without Prunella's settings, with what a healer is given."""
    folders = os.pathsep.join(str(ROOT / name) for name in ("tests", "hack/cluster"))
    return {**caller_environment(), "KUBECONFIG": str(kubeconfig), SELECTOR: selector, "PYTHONPATH": folders}
