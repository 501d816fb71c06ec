"""Control groups of a cluster: one parent per hierarchy (cgroup v1 has many), known by the cluster's name."""

import os
from contextlib import suppress
from pathlib import Path

from localcluster.console import ClusterError
from localcluster.instance import Instance
from localcluster.processes import wait_until

MOUNTS = Path("/proc/mounts")


def hierarchies(mounts: str) -> list[tuple[Path, str]]:
    """Mount points with their type, cgroup or cgroup2."""
    lines = [line.split() for line in mounts.splitlines()]
    return [(Path(fields[1]), fields[2]) for fields in lines if fields[2] in {"cgroup", "cgroup2"}]


def ensure(instance: Instance) -> None:
    """The kubelet wants its root group to exist."""
    for mount, kind in hierarchies(MOUNTS.read_text()):
        try:
            _make(mount, kind, mount / instance.cgroup)
        except OSError as error:
            raise ClusterError(
                f"this machine allows no control groups ({error}): a container often does not"
            ) from error


def _make(mount: Path, kind: str, group: Path) -> None:
    group.mkdir(exist_ok=True)
    if kind == "cgroup2":
        _hand_down_controllers(mount, group)
    else:
        _inherit_cpuset(mount, group)


def _inherit_cpuset(mount: Path, group: Path) -> None:
    """With v1 a new cpuset is empty and takes no process until it has processors and memory nodes."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        if (group / name).exists() and not (group / name).read_text().strip():
            (group / name).write_text((mount / name).read_text())


def _hand_down_controllers(mount: Path, group: Path) -> None:
    for folder in (mount, group):
        controllers = (folder / "cgroup.controllers").read_text().split()
        if controllers:
            (folder / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in controllers))


def _groups(instance: Instance) -> list[Path]:
    """Deepest first."""
    found: list[Path] = []
    for mount, _ in hierarchies(MOUNTS.read_text()):
        found += [Path(folder) for folder, _, _ in os.walk(mount / instance.cgroup, topdown=False)]
    return found


def members(instance: Instance) -> set[int]:
    """All processes of the cluster's containers."""
    pids: set[int] = set()
    for group in _groups(instance):
        try:
            pids.update(map(int, (group / "cgroup.procs").read_text().split()))
        except OSError:  # the group went away with its last process
            continue
    return pids


def remove(instance: Instance) -> list[Path]:
    """Remove all groups; returns what would not go."""
    wait_until(lambda: not members(instance), 5)
    wait_until(lambda: _all_removed(_groups(instance)), 5)
    return _groups(instance)


def _all_removed(groups: list[Path]) -> bool:
    for group in groups:
        with suppress(OSError):  # the kernel may still be busy with it
            group.rmdir()
    return not any(group.exists() for group in groups)
