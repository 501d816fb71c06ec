"""Containers as processes of this machine: inspected in /proc, killed or paused by pid."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.api import Object

_PROC = Path("/proc")


def process_of(pod: Object) -> int:
    """The pid of the first process of a pod's only container."""
    (status,) = pod["status"]["containerStatuses"]
    container = status["containerID"].partition("://")[2]
    pids = [int(path.name) for path in _PROC.glob("[0-9]*") if container in _read(path / "cgroup")]
    assert pids, f"no process of {pod['metadata']['name']} is on this machine"
    return min(pids)


def kill(pod: Object) -> None:
    """SIGKILL, as the OOM killer sends it: no shutdown, no notification."""
    os.kill(process_of(pod), signal.SIGKILL)


@contextmanager
def paused(pod: Object) -> Iterator[None]:
    """SIGSTOP, which looks like an overloaded machine; it continues at the end of the block."""
    pid = process_of(pod)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def cut_off(pod: Object, *ports: int) -> Iterator[None]:
    """Drop its packets to these TCP ports until the end of the block; it can still be reached."""
    rule = ["OUTPUT", "-p", "tcp", "-m", "multiport", "--dports", ",".join(map(str, ports)), "-j", "DROP"]
    firewall = ["nsenter", f"--net=/proc/{process_of(pod)}/ns/net", "iptables", "-w", "10"]
    subprocess.run([*firewall, "-I", *rule], check=True)
    try:
        yield
    finally:
        subprocess.run([*firewall, "-D", *rule], check=True)


def facts(pod: Object) -> dict[str, str]:
    """The kernel's facts about the container's process: user, capabilities, seccomp, and how its root is mounted."""
    home = _PROC / str(process_of(pod))
    lines = (line.partition(":") for line in _read(home / "status").splitlines())
    status = {name: value.split() for name, _, value in lines}
    (root,) = [line.split() for line in _read(home / "mountinfo").splitlines() if line.split()[4] == "/"]
    return {
        "user": status["Uid"][1],
        "group": status["Gid"][1],
        "capabilities": status["CapEff"][0].strip("0"),
        "seccomp": status["Seccomp"][0],
        "no new privileges": status["NoNewPrivs"][0],
        "root": root[5].split(",")[0],
    }


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""  # it ended meanwhile
