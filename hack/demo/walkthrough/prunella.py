"""Prunella as one process beside the demo: `prunella run --temporal embedded`, on ports that are free."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from prunella_operator.config.settings import Settings
from walkthrough.console import DemoError
from walkthrough.processes import start, tail

READY_TIMEOUT = 90.0
KNOWN_GOOD_AFTER = 5.0
"""Seconds; 30 in real life, but a demo has little time and its workloads are simple."""


def settings(state: Path, kubeconfig: str | None, context: str | None) -> Settings:
    """The settings of the process; ports are the usual ones where they are free."""
    database = state / "temporal.db"
    for leftover in state.glob("temporal.db*"):
        leftover.unlink()
    taken: set[int] = set()
    names = ("http_port", "console_port", "webhook_port", "temporal_port", "temporal_ui_port")
    usual = {name: Settings.model_fields[name].default for name in names}
    ports = {name: _free(port, taken) for name, port in usual.items()}
    values = {"kubeconfig": kubeconfig, "context": context, "temporal_db": str(database), **ports}
    return Settings.load({**values, "temporal_address": "embedded", "known_good_after": KNOWN_GOOD_AFTER})


def _free(port: int, taken: set[int]) -> int:
    """The port when nobody has it, else one that is free."""
    for candidate in (port, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            if found not in taken:
                taken.add(found)
                return found
    raise DemoError("no free port on 127.0.0.1")


def launch(settings: Settings, log: Path) -> subprocess.Popen[bytes]:
    """Start it; settings travel as environment variables, as they would in a pod."""
    given = {name: str(getattr(settings, name)) for name in settings.model_fields_set}
    ours = {f"PRUNELLA_{name.upper()}": value for name, value in given.items()}
    others = {name: value for name, value in os.environ.items() if not name.startswith("PRUNELLA_")}
    log.unlink(missing_ok=True)
    return start([sys.executable, "-m", "prunella_operator", "run"], log, {**others, **ours})


def check(process: subprocess.Popen[bytes], log: Path) -> None:
    """Raise when it ended."""
    if process.poll() is not None:
        raise DemoError(f"Prunella ended with code {process.returncode}. Its log is {log}, the end of it:\n{tail(log)}")


def wait_ready(process: subprocess.Popen[bytes], settings: Settings, log: Path) -> None:
    """Return when it says that it is ready."""
    url, last = f"http://127.0.0.1:{settings.http_port}/readyz", ""
    until = time.monotonic() + READY_TIMEOUT
    while time.monotonic() < until:
        check(process, log)
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError as error:
            last = f"{error}"
        time.sleep(0.2)
    raise DemoError(f"Prunella is not ready after {READY_TIMEOUT:.0f} s: {url}: {last}. Its log is {log}:\n{tail(log)}")
