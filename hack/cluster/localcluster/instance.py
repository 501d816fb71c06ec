"""One cluster of our own: its name, its number, and every path and address that follow from them."""

import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from localcluster.console import ClusterError

NUMBERS = range(1, 50)
NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,18}[a-z0-9])?")
LONGEST_SOCKET = 107
"""A Unix socket's path may have this many bytes; containerd's and the kubelet's lie below the state folder."""


def state_root() -> Path:
    """The state folder of this user's clusters."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "prunella"


@dataclass(frozen=True)
class Instance:
    """All clusters can run side by side: everything below carries the name or the number."""

    name: str
    number: int
    simulated: bool = False
    audit: bool = True
    nodes: int = 1
    monitoring: bool = False
    kubernetes: str = ""
    """Minor version, such as `1.36`; empty: the usual one."""

    @property
    def folder(self) -> Path:
        """All state: `down` deletes it."""
        return state_root() / self.name

    @property
    def kubeconfig(self) -> Path:
        """For people and tests: cluster administrator."""
        return self.folder / "kubeconfig"

    @property
    def netns(self) -> str:
        """Network namespace that all components live in."""
        return f"prunella-{self.name}"

    @property
    def cgroup(self) -> str:
        """Parent of all containers' control groups."""
        return f"prunella-{self.name}"

    @property
    def node(self) -> str:
        """Name of the one real node."""
        return f"{self.name}-node"

    @property
    def veth(self) -> str:
        """The host's end of the cable."""
        return f"prunella{self.number}"

    @property
    def link(self) -> IPv4Network:
        """The cable's addresses."""
        return IPv4Network(f"10.88.{self.number}.0/30")

    @property
    def host_address(self) -> IPv4Address:
        """The address at which pods reach services of this machine."""
        return self.link[1]

    @property
    def address(self) -> IPv4Address:
        """The node's address, and the API server's."""
        return self.link[2]

    @property
    def pods(self) -> IPv4Network:
        """Pod addresses, reachable from this machine."""
        return IPv4Network(f"10.{100 + self.number}.0.0/16")

    @property
    def services(self) -> IPv4Network:
        """Service addresses, reachable from this machine."""
        return IPv4Network(f"10.{150 + self.number}.0.0/16")

    @property
    def networks(self) -> tuple[IPv4Network, ...]:
        """All ranges that must be free on this machine."""
        return (self.link, self.pods, self.services)

    @property
    def url(self) -> str:
        """The API server."""
        return f"https://{self.address}:6443"

    @property
    def containerd_socket(self) -> Path:
        """The runtime's address for the kubelet, `ctr` and the shims."""
        return self.folder / "containerd" / "containerd.sock"

    def log(self, component: str) -> Path:
        """The output of a component."""
        return self.folder / "logs" / f"{component}.log"

    def save(self) -> None:
        """Remember the instance; the folder holds keys, so it is the user's alone."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self.folder / "instance.json").write_text(json.dumps(asdict(self), indent=2) + "\n")


def load(name: str) -> Instance | None:
    """The instance of this name, if it was made."""
    path = state_root() / name / "instance.json"
    return Instance(**json.loads(path.read_text())) if path.exists() else None


def every() -> list[Instance]:
    """All instances of this user."""
    names = sorted(path.parent.name for path in state_root().glob("*/instance.json"))
    return [name for name in map(load, names) if name]


def check_name(name: str) -> str:
    """A name becomes part of paths, host names and control groups."""
    if not NAME.fullmatch(name):
        raise ClusterError(f"`{name}` is no cluster name: use at most 20 of a-z, 0-9 and `-`")
    longest = state_root() / name / "kubelet" / "pod-resources" / "kubelet.sock"
    if len(bytes(longest)) > LONGEST_SOCKET:
        raise ClusterError(f"{state_root()} is too long a path for sockets: set XDG_STATE_HOME to a shorter one")
    return name


@contextmanager
def busy(name: str) -> Iterator[None]:
    """One command at a time changes a cluster; a second one waits and then finds the work done."""
    with _lock(check_name(name)):
        yield


def create(
    name: str, in_use: list[IPv4Network], *, simulated: bool, audit: bool, nodes: int, kubernetes: str = ""
) -> Instance:
    """Record a new instance under the first free number."""
    with _lock("NUMBERS"):
        taken = {one.number for one in every()}
        number = free_number(taken, in_use)
        made = Instance(check_name(name), number, simulated, audit, nodes, kubernetes=kubernetes)
        made.save()
        return made


def with_monitoring(instance: Instance) -> Instance:
    """The same instance, remembered as one that has monitoring, so that whatever was started is stopped."""
    changed = replace(instance, monitoring=True)
    changed.save()
    return changed


def free_number(taken: set[int], in_use: list[IPv4Network]) -> int:
    """The first number whose address ranges are unused on this machine."""
    for number in NUMBERS:
        ranges = Instance("any", number).networks
        if number not in taken and not any(ours.overlaps(used) for ours in ranges for used in in_use):
            return number
    raise ClusterError("no free address range 10.88.N.0/30 with 10.(100+N).0.0/16 and 10.(150+N).0.0/16 is left")


def forget(instance: Instance) -> None:
    """Delete all state of an instance."""
    shutil.rmtree(instance.folder)


@contextmanager
def _lock(subject: str) -> Iterator[None]:
    folder = state_root() / ".locks"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / subject).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
