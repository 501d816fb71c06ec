"""The two ways in which Prunella is run: as operator, worker(s) and a Temporal apart, or as one process."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from chaos.proxy import Proxy
from chaos.strikes import VICTIMS, WHOLE
from chaos.victims import Component, Part, Server, Victim
from support.outage import ControlPlane, Temporal
from support.prunella import PrunellaProcess

CALLERS = ("operator", "worker", "worker-2", "prunella")
"""Who calls the API server, each by a port of its own."""
_SETTINGS = {"known_good_after": 2, "api_timeout": 5}


@dataclass
class House:
    """Everything of ours that can be struck."""

    kind: str
    victims: tuple[str, ...]
    temporal_address: str
    parts: dict[str, Part] = field(default_factory=dict)
    """Prunella's own processes that run."""
    others: dict[str, Victim] = field(default_factory=dict)
    """What Prunella depends on."""
    second: PrunellaProcess | None = None
    """A second worker, which is there in every other round."""

    def man(self, number: int) -> None:
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
def apart(kubeconfig: Path, proxy: Proxy, folder: Path, plane: ControlPlane) -> Iterator[House]:
    """Operator, worker and Temporal as processes of their own."""
    temporal = Temporal(folder / "temporal")
    settings = {"temporal_address": temporal.address, **_SETTINGS}

    def process(who: str) -> PrunellaProcess:
        behind = _behind(kubeconfig, who, proxy.ports[who])
        return PrunellaProcess(folder / who, behind, who.removesuffix("-2"), **settings)

    parts = {who: Part(process(who)) for who in ("operator", "worker")}
    others = {"temporal": Server(temporal), **_control_plane(plane)}
    house = House("apart", VICTIMS, temporal.address, parts, others, second=process("worker-2"))
    temporal.start()
    try:
        with _running(house):
            yield house
    finally:
        temporal.kill()


@contextmanager
def whole(kubeconfig: Path, proxy: Proxy, folder: Path, plane: ControlPlane) -> Iterator[House]:
    """`prunella run`, which starts a Temporal of its own."""
    process = PrunellaProcess(folder / "run", _behind(kubeconfig, "prunella", proxy.ports["prunella"]), **_SETTINGS)
    address = f"127.0.0.1:{process.settings['temporal_port']}"
    house = House("whole", WHOLE, address, {"prunella": Part(process)}, _control_plane(plane))
    with _running(house):
        yield house


def _control_plane(plane: ControlPlane) -> dict[str, Victim]:
    return {name: Component(plane, name) for name in ("kube-apiserver", "etcd")}


@contextmanager
def _running(house: House) -> Iterator[None]:
    try:
        for part in house.parts.values():
            part.process.start()
        for part in house.parts.values():
            part.process.wait_ready()
        yield
    finally:
        errors = []
        for part in house.parts.values():
            try:
                part.process.stop()
            except AssertionError as error:
                errors.append(error)
        if errors:
            raise errors[0]


def _behind(kubeconfig: Path, who: str, port: int) -> Path:
    """The same account, by way of the proxy."""
    config = yaml.safe_load(kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{port}"
    path = kubeconfig.with_name(f"kubeconfig-{who}")
    path.write_text(yaml.safe_dump(config))
    return path
