"""The two ways to run Prunella: operator, worker(s) and Temporal as separate processes, or a single process."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from chaos.fault_injection import SINGLE_PROCESS, TARGETS
from chaos.proxy import Proxy
from chaos.targets import Component, FaultTarget, Part, Server
from support.outage import ControlPlane, Temporal
from support.prunella import PrunellaProcess

CALLERS = ("operator", "worker", "worker-2", "prunella")
"""The callers of the API server, each with its own port."""
_SETTINGS = {"known_good_after": 2, "api_timeout": 5}


@dataclass
class ProcessSet:
    """All processes that faults can be injected into."""

    kind: str
    targets: tuple[str, ...]
    temporal_address: str
    parts: dict[str, Part] = field(default_factory=dict)
    """Prunella's own processes that run."""
    dependencies: dict[str, FaultTarget] = field(default_factory=dict)
    """The servers that Prunella depends on."""
    second: PrunellaProcess | None = None
    """A second worker, which is there in every other round."""

    def scale_workers(self, number: int) -> None:
        """Two workers in odd rounds, one in even ones."""
        if self.second is None:
            return
        if number % 2 and "worker-2" not in self.parts:
            self.second.start()
            self.second.wait_ready()
            self.parts["worker-2"] = Part(self.second)
        elif not number % 2 and "worker-2" in self.parts:
            del self.parts["worker-2"]
            self.second.stop()


@contextmanager
def separate_processes(
    kubeconfig: Path, proxy: Proxy, folder: Path, control_plane: ControlPlane
) -> Iterator[ProcessSet]:
    """Operator, worker and Temporal as processes of their own."""
    temporal = Temporal(folder / "temporal")
    settings = {"temporal_address": temporal.address, **_SETTINGS}

    def process(who: str) -> PrunellaProcess:
        behind = _proxied_kubeconfig(kubeconfig, who, proxy.ports[who])
        return PrunellaProcess(folder / who, behind, who.removesuffix("-2"), **settings)

    parts = {who: Part(process(who)) for who in ("operator", "worker")}
    dependencies = {"temporal": Server(temporal), **_control_plane(control_plane)}
    processes = ProcessSet("separate", TARGETS, temporal.address, parts, dependencies, second=process("worker-2"))
    temporal.start()
    try:
        with _running(processes):
            yield processes
    finally:
        temporal.kill()


@contextmanager
def single_process(kubeconfig: Path, proxy: Proxy, folder: Path, control_plane: ControlPlane) -> Iterator[ProcessSet]:
    """`prunella run`, which starts a Temporal of its own."""
    process = PrunellaProcess(
        folder / "run", _proxied_kubeconfig(kubeconfig, "prunella", proxy.ports["prunella"]), **_SETTINGS
    )
    address = f"127.0.0.1:{process.settings['temporal_port']}"
    processes = ProcessSet(
        "single", SINGLE_PROCESS, address, {"prunella": Part(process)}, _control_plane(control_plane)
    )
    with _running(processes):
        yield processes


def _control_plane(control_plane: ControlPlane) -> dict[str, FaultTarget]:
    return {name: Component(control_plane, name) for name in ("kube-apiserver", "etcd")}


@contextmanager
def _running(processes: ProcessSet) -> Iterator[None]:
    try:
        for part in processes.parts.values():
            part.process.start()
        for part in processes.parts.values():
            part.process.wait_ready()
        yield
    finally:
        errors = []
        for part in processes.parts.values():
            try:
                part.process.stop()
            except AssertionError as error:
                errors.append(error)
        if errors:
            raise errors[0]


def _proxied_kubeconfig(kubeconfig: Path, who: str, port: int) -> Path:
    """A kubeconfig for the same account through the proxy."""
    config = yaml.safe_load(kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{port}"
    path = kubeconfig.with_name(f"kubeconfig-{who}")
    path.write_text(yaml.safe_dump(config))
    return path
