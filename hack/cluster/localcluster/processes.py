"""Start and stop the components, and recognise them: a pid alone may belong to another process by now."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from localcluster import network
from localcluster.instance import Instance

STARTTIME = 19
"""Index of the start time in /proc/PID/stat, counted behind the closing bracket of the program's name."""


@dataclass(frozen=True)
class Component:
    """A long-running program of the cluster."""

    name: str
    command: tuple[str, ...]
    ports: str = ""
    path: str = ""
    """PATH of the process, in front of the system's."""


def start(instance: Instance, component: Component) -> None:
    """Run the component inside the cluster's network, on its own, with its log in a file."""
    log = instance.log(component.name)
    log.parent.mkdir(parents=True, exist_ok=True)
    path = ":".join(part for part in (component.path, os.environ.get("PATH", ""), "/usr/sbin:/sbin") if part)
    with log.open("ab") as output:
        # nsenter replaces itself by the program, so the pid stays the component's.
        process = subprocess.Popen(
            network.enter(instance, *component.command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=instance.folder,
            env={**os.environ, "PATH": path},
            start_new_session=True,
        )
    record = _pid_file(instance, component.name)
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps({"pid": process.pid, "started": started(process.pid)}))


def pid_of(instance: Instance, component: str) -> int | None:
    """The component's pid while it lives."""
    try:
        record = json.loads(_pid_file(instance, component).read_text())
    except (FileNotFoundError, ValueError):
        return None
    pid = int(record["pid"])
    return pid if record["started"] is not None and started(pid) == record["started"] else None


def started(pid: int) -> int | None:
    """Start time of the process, in ticks since boot; None when it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[STARTTIME])


def memory_mib(pid: int) -> int:
    """Resident memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 2**20


def stop(instance: Instance, components: Iterable[str], grace: float = 5) -> None:
    """Ask all of them to end, then make them."""
    pids = {pid for name in components if (pid := pid_of(instance, name))}
    end(pids, grace)
    for name in components:
        if not pid_of(instance, name):
            _pid_file(instance, name).unlink(missing_ok=True)


def end(pids: Iterable[int], grace: float) -> None:
    """SIGTERM, wait, SIGKILL. Every pid is checked by its start time before it is killed a second time."""
    begun = {pid: when for pid in pids if (when := started(pid)) is not None}
    for number in (signal.SIGTERM, signal.SIGKILL) if grace else (signal.SIGKILL,):
        for pid in _same(begun):
            _signal(pid, number)
        if wait_until(lambda: not _same(begun), grace or 5):
            return


def _same(begun: Mapping[int, int]) -> list[int]:
    return [pid for pid, when in begun.items() if started(pid) == when]


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def wait_until(condition: Callable[[], bool], seconds: float, every: float = 0.05) -> bool:
    """Poll until the condition holds; False when time is up."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True


def mentioning(text: str) -> set[int]:
    """Processes that carry the text in an argument, ourselves aside: how left-over shims are found."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (folder / "cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if text.encode() in arguments and int(folder.name) != os.getpid():
            found.add(int(folder.name))
    return found


def _pid_file(instance: Instance, component: str) -> Path:
    return instance.folder / "run" / f"{component}.json"
