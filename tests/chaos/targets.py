"""Targets of fault injection: processes that can be killed, restarted and paused."""

from dataclasses import dataclass
from typing import Protocol

from localcluster import instance as instances
from localcluster import processes
from support.outage import ControlPlane, Temporal
from support.prunella import PrunellaProcess

_TOGETHER = {"kube-apiserver": "control plane", "etcd": "control plane"}
"""Targets that are never down at once: restoring one waits for the other."""


def group(target: str) -> str:
    """Targets of one group are down one after the other, never together."""
    return _TOGETHER.get(target, target)


class FaultTarget(Protocol):
    """A process."""

    @property
    def pid(self) -> int: ...

    def kill(self) -> None: ...

    def restore(self) -> None: ...


@dataclass
class Part:
    """The target operator, worker, or all of Prunella."""

    process: PrunellaProcess

    @property
    def pid(self) -> int:
        return self.process.pid

    def kill(self) -> None:
        self.process.kill()

    def restore(self) -> None:
        self.process.start()


@dataclass
class Server:
    """Temporal."""

    temporal: Temporal

    @property
    def pid(self) -> int:
        assert self.temporal._process is not None
        return self.temporal._process.pid

    def kill(self) -> None:
        self.temporal.kill()

    def restore(self) -> None:
        self.temporal.start()


@dataclass
class Component:
    """A component of the control plane."""

    control_plane: ControlPlane
    name: str

    @property
    def pid(self) -> int:
        instance = instances.load(self.control_plane.name)
        assert instance, f"no cluster {self.control_plane.name}"
        pid = processes.pid_of(instance, self.name)
        assert pid, f"{self.name} does not run"
        return pid

    def kill(self) -> None:
        self.control_plane.kill(self.name)

    def restore(self) -> None:
        self.control_plane.restore()
