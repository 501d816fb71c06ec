"""A real OpenTelemetry Collector, built from its Go modules."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from localcluster import build
from localcluster.ports import free_ports, listens

from telemetrystack.kafka import Login
from telemetrystack.service import Service

DEPLOYED = Path(__file__).resolve().parents[3] / "manifests" / "telemetry" / "files" / "collector.yaml"
_NEEDS_CLUSTER = frozenset({"resource/claims", "k8sattributes"})

Configuration = Mapping[str, Any]


class Collector(Service):
    """A Collector with a configuration; OTLP over gRPC comes in at `address`."""

    name = "collector"
    start_within = 20.0

    def __init__(self, configuration: Configuration, log: Path | None = None) -> None:
        super().__init__(log)
        self._program = build.ensure("collector")
        self._port = free_ports(1)[0]
        self._configuration = configuration
        self.address = f"127.0.0.1:{self._port}"

    def prepare(self) -> None:
        """Write the configuration."""
        receivers = {"otlp": {"protocols": {"grpc": {"endpoint": self.address, "max_recv_msg_size_mib": 16}}}}
        self._file.write_text(json.dumps({**self._configuration, "receivers": receivers}))

    def command(self) -> list[str]:
        """The program with its configuration."""
        return [str(self._program), "--config", str(self._file)]

    def answers(self) -> bool:
        """Its receiver listens."""
        return listens(self._port)

    @property
    def _file(self) -> Path:
        return self.folder / "collector.json"


def to_kafka(brokers: str, log: Path | None = None, login: Login | None = None) -> Collector:
    """A Collector as it is deployed, without what needs a cluster; `brokers` are HOST:PORT, comma-separated.

    Without a `login` the brokers want no password, and nothing is encrypted.
    """
    collector = Collector(deployed := yaml.safe_load(DEPLOYED.read_text()), log)
    (storage := collector.folder / "queue").mkdir()
    deployed["extensions"] = {"file_storage": {"directory": str(storage)}}
    exporter = deployed["exporters"]["kafka"]
    exporter["brokers"] = brokers.split(",")
    if login:
        exporter["tls"]["ca_file"], exporter["auth"]["sasl"]["password"] = str(login.authority), login.password
    else:
        del exporter["tls"], exporter["auth"]
    service = deployed["service"]
    service |= {"extensions": ["file_storage"], "telemetry": {"metrics": {"level": "none"}}}
    for part in _NEEDS_CLUSTER & deployed["processors"].keys():
        del deployed["processors"][part]
    for pipeline in service["pipelines"].values():
        pipeline["processors"] = [name for name in pipeline["processors"] if name not in _NEEDS_CLUSTER]
    return collector
