"""Subprocesses, in sessions of their own, so that Ctrl-C reaches only the demo."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from walkthrough.console import DemoError

STOP_TIMEOUT_SECONDS = 30.0


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else "(no log)"


def start(command: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start a program that writes to a log."""
    with log.open("ab") as out:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env, start_new_session=True
        )


def run(command: Sequence[str], log: Path) -> None:
    """Run a program to completion. On interruption, stop it with SIGINT, so that it can clean up.

    Raises:
        DemoError: it failed.
    """
    process = start(command, log)
    try:
        code = process.wait()
    except BaseException:
        stop(process, signal.SIGINT)
        raise
    if code:
        raise DemoError(
            f"`{' '.join(command[1:])}` failed with code {code}. Its log is {log}, which ends with:\n{tail(log)}"
        )


def stop(process: subprocess.Popen[bytes], number: signal.Signals = signal.SIGTERM) -> None:
    """Stop a program; kill it after `STOP_TIMEOUT_SECONDS`."""
    if process.poll() is not None:
        return
    process.send_signal(number)
    try:
        process.wait(STOP_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
