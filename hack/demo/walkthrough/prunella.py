"""Prunella as one process: `prunella run --temporal embedded`, on free ports."""

import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from localcluster.environment import caller_environment

from prunella_operator.config.environment import variable
from prunella_operator.config.settings import Settings
from walkthrough.console import DemoError
from walkthrough.processes import start, tail

READY_TIMEOUT_SECONDS = 90.0
KNOWN_GOOD_AFTER_SECONDS = 5.0
"""The default is 30; the demo is short and its workloads are simple."""


def make_settings(state: Path, kubeconfig: str | None, context: str | None) -> Settings:
    """The settings of the process; ports are the defaults where those are free."""
    database = state / "temporal.db"
    for leftover in state.glob("temporal.db*"):
        leftover.unlink()
    taken: set[int] = set()
    names = ("http_port", "console_port", "webhook_port", "temporal_port", "temporal_ui_port")
    defaults = {name: Settings.model_fields[name].default for name in names}
    ports = {name: _find_free_port(port, taken) for name, port in defaults.items()}
    values = {"kubeconfig": kubeconfig, "context": context, "temporal_db": str(database), **ports}
    return Settings.load({**values, "temporal_address": "embedded", "known_good_after": KNOWN_GOOD_AFTER_SECONDS})


def _find_free_port(port: int, taken: set[int]) -> int:
    """The port if it is free, else any free one."""
    for candidate in (port, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            number: int = probe.getsockname()[1]
            if number not in taken:
                taken.add(number)
                return number
    raise DemoError("no free port on 127.0.0.1")


def start_prunella(settings: Settings, log: Path) -> subprocess.Popen[bytes]:
    """Start it; settings are passed as environment variables, as in a pod."""
    ours = {variable(name): str(getattr(settings, name)) for name in settings.model_fields_set}
    log.unlink(missing_ok=True)
    return start([sys.executable, "-m", "prunella_operator", "run"], log, {**caller_environment(), **ours})


def check_running(process: subprocess.Popen[bytes], log: Path) -> None:
    """Check that it is still running.

    Raises:
        DemoError: it ended.
    """
    if process.poll() is not None:
        raise DemoError(
            f"Prunella ended with code {process.returncode}. Its log is {log}, which ends with:\n{tail(log)}"
        )


def wait_ready(process: subprocess.Popen[bytes], settings: Settings, log: Path) -> None:
    """Wait until it reports ready.

    Raises:
        DemoError: it ended, or is not ready in time.
    """
    url, last = f"http://127.0.0.1:{settings.http_port}/readyz", ""
    deadline = time.monotonic() + READY_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        check_running(process, log)
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError as error:
            last = f"{error}"
        time.sleep(0.2)
    raise DemoError(
        f"Prunella is not ready after {READY_TIMEOUT_SECONDS:.0f} s: {url}: {last}. Its log is {log}:\n{tail(log)}"
    )
