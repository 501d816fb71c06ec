"""Other programs: run to the end, or kept running and ended in order. Sessions of their own keep Ctrl-C for us."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from walkthrough.console import DemoError

STOP_TIMEOUT = 30.0


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else "(no log)"


def start(command: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start a program whose output goes to a log."""
    with log.open("ab") as out:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env, start_new_session=True
        )


def finish(command: Sequence[str], log: Path) -> None:
    """Run a program to its end. Interrupted, it is asked to stop and may undo what it began."""
    process = start(command, log)
    try:
        code = process.wait()
    except BaseException:
        stop(process, signal.SIGINT)
        raise
    if code:
        raise DemoError(
            f"`{' '.join(command[1:])}` failed with code {code}. Its log is {log}, the end of it:\n{tail(log)}"
        )


def stop(process: subprocess.Popen[bytes], how: signal.Signals = signal.SIGTERM) -> None:
    """End a program: politely first, for certain after 30 seconds."""
    if process.poll() is not None:
        return
    process.send_signal(how)
    try:
        process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
