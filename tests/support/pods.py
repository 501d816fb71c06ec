"""Containers of rendered manifests as processes of this machine: the same commands, variables and files.

Each pod gets a loopback address of its own, so that all ports stay what the manifests say.
"""

import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from support.api import until
from support.programs import program

_RESTARTS = 3

Secrets = Mapping[str, Mapping[str, str]]


class Manifests:
    """The objects that a kustomization renders."""

    def __init__(self, folder: Path) -> None:
        text = subprocess.check_output([program("kubectl"), "kustomize", str(folder)], text=True)
        self.objects: list[Any] = [document for document in yaml.safe_load_all(text) if document]

    def of(self, kind: str) -> dict[str, Any]:
        """All objects of a kind, by name."""
        return {obj["metadata"]["name"]: obj for obj in self.objects if obj["kind"] == kind}

    def container(self, kind: str, name: str) -> dict[str, Any]:
        """The only container of a workload."""
        (container,) = self.pod(kind, name)["containers"]
        return container

    def pod(self, kind: str, name: str) -> dict[str, Any]:
        return self.of(kind)[name]["spec"]["template"]["spec"]


@dataclass
class Net:
    """Addresses for pods and Services, in an unused loopback network: 127.x.y.*"""

    prefix: str = field(default_factory=lambda: f"127.{1 + secrets.randbelow(254)}.{secrets.randbelow(255)}")
    services: dict[str, str] = field(default_factory=dict)
    _last: int = 0

    def address(self) -> str:
        """The next address."""
        self._last += 1
        return f"{self.prefix}.{self._last}"


@dataclass
class Pod:
    """One container. The same object can be started again: it keeps its address, its files and its log."""

    manifests: Manifests
    kind: str
    name: str
    net: Net
    folder: Path
    secrets: Secrets
    settings: Mapping[str, str] = field(default_factory=dict)
    """Variables that differ from the manifest's."""
    address: str = ""
    restarts: int = 0
    _process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.address = self.address or self.net.address()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.container = self.manifests.container(self.kind, self.name)
        self._mounts = dict(self._mounted())

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def command(self) -> list[str]:
        words = [*self.container.get("command", ()), *self.container.get("args", ())]
        return [self._here(word) for word in words]

    @property
    def environment(self) -> dict[str, str]:
        """The container's variables, and of this machine's only the PATH."""
        declared = {name: self._here(value) for name, value in self._declared()}
        return {"PATH": _path(), "HOME": str(self.folder), **declared, **self.settings}

    def _declared(self) -> Iterator[tuple[str, str]]:
        for source in self.container.get("envFrom", ()):
            yield from self._config_map(source["configMapRef"]["name"]).items()
        for variable in self.container.get("env", ()):
            yield variable["name"], variable["value"] if "value" in variable else self._looked_up(variable["valueFrom"])

    def _looked_up(self, source: Any) -> str:
        if "fieldRef" in source:
            assert source["fieldRef"]["fieldPath"] == "status.podIP"
            return self.address
        key = source["secretKeyRef"]
        return self.secrets[key["name"]][key["key"]]

    def _config_map(self, name: str) -> dict[str, str]:
        return self.manifests.of("ConfigMap")[name]["data"]

    def _mounted(self) -> Iterator[tuple[str, Path]]:
        """Write the files of ConfigMaps here; yield each mount path of the container with its folder."""
        volumes = self.manifests.pod(self.kind, self.name)["volumes"]
        maps = {volume["name"]: volume for volume in volumes if "configMap" in volume}
        for mount in self.container.get("volumeMounts", ()):
            if volume := maps.get(mount["name"]):
                here = self.folder / mount["name"]
                here.mkdir(exist_ok=True)
                for name, text in self._config_map(volume["configMap"]["name"]).items():
                    (here / name).write_text(text)
                    (here / name).chmod(volume["configMap"].get("defaultMode", 0o644))
                yield mount["mountPath"], here

    def mounted(self, path: str) -> Path:
        """The folder on this machine with the files of a mount."""
        return self._mounts[path]

    def _here(self, word: str) -> str:
        """Translate a word of the manifest to this machine: mounted files, Services and the address of the pod."""
        for path, here in self._mounts.items():
            word = word.replace(path, str(here))
        for service, address in self.net.services.items():
            word = address if word == service else word.replace(f"{service}:", f"{address}:")
        return word.replace("0.0.0.0", self.address)

    def run(self, *command: str, seconds: float = 60) -> str:
        """Run it to its end, as a Job does, or another command in its place; return its output."""
        words, variables = list(command) or self.command, self.environment
        done = subprocess.run(words, env=variables, capture_output=True, text=True, timeout=seconds, check=False)
        assert done.returncode == 0, f"{self.name} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def start(self) -> None:
        assert not self.running, f"{self.name} runs already"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder
            )

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} does not run"
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def wait_ready(self, seconds: float = 120) -> None:
        """Return when the manifest's startup probe would succeed."""

        def ready() -> bool:
            return self._kept_running() and self._listens()

        until(ready, seconds, f"{self.name} is ready: see {self.log}")

    def _kept_running(self) -> bool:
        """Restart a process that has ended, as the kubelet does: new servers race for the first records."""
        if self.running:
            return True
        assert self.restarts < _RESTARTS, f"{self.name} ends by itself, again and again:\n{self.tail()}"
        self.restarts += 1
        self.start()
        return False

    def _listens(self) -> bool:
        port = self.container["startupProbe"]["tcpSocket"]["port"]
        (number,) = [entry["containerPort"] for entry in self.container["ports"] if entry["name"] == port]
        with socket.socket() as probe:
            return probe.connect_ex((self.address, number)) == 0

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Stop it with SIGTERM, as the kubelet does; return its exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        if self._process is None:
            return 0
        self._process.send_signal(number)
        try:
            return self._process.wait(60)
        finally:
            self._process.kill()
            self._process.wait()
            self._process = None

    def wait(self, seconds: float) -> int:
        """Wait for it to end by itself, and return its exit code."""
        assert self._process is not None
        return self._process.wait(seconds)

    def tail(self, lines: int = 40) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def _path() -> str:
    """The PATH with the programs of the images."""
    folders = [program("temporal-server").parent, program("temporal-sql-tool").parent, Path(sys.executable).parent]
    return os.pathsep.join([*map(str, dict.fromkeys(folders)), os.defpath])
