"""The monitoring of the tests' cluster: a real Prometheus, Alertmanager and metrics-server, started on demand."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from localcluster import instance as instances
from localcluster import monitoring, processes
from localcluster.instance import Instance
from support.cluster import ROOT, Cluster

_START_WITHIN = 30 * 60  # everything is built from source the first time
_SCRIPT = ROOT / "hack" / "cluster"


@dataclass(frozen=True)
class Monitoring:
    """The addresses of the running servers, and the folders that tests put files into."""

    instance: Instance

    @property
    def prometheus(self) -> str:
        """The address of Prometheus."""
        return monitoring.url(self.instance, monitoring.PROMETHEUS_PORT)

    @property
    def alertmanager(self) -> str:
        """The address of Alertmanager."""
        return monitoring.url(self.instance, monitoring.ALERTMANAGER_PORT)

    @property
    def rules(self) -> Path:
        """The folder of rule files."""
        return monitoring.folder(self.instance) / "rules"

    @property
    def targets(self) -> Path:
        """The folder of files that name further targets."""
        return monitoring.folder(self.instance) / "targets"

    def reload(self) -> None:
        """Read rules and routing again."""
        monitoring.reload(self.instance)

    def stop(self, component: str) -> None:
        """End one component; `start` brings it back."""
        assert component in {part.name for part in monitoring.components(self.instance)}
        processes.stop(self.instance, [component])

    def start(self, *options: str) -> None:
        """Start what is missing; `--alerts-to` says where alerts go from now on."""
        run(self.instance.name, *options)


def run(name: str, *options: str) -> None:
    """Add the monitoring to a cluster of our own, or complete it."""
    line = [sys.executable, str(_SCRIPT), "up", "--name", name, "--monitoring", *options]
    done = subprocess.run(line, capture_output=True, text=True, timeout=_START_WITHIN, check=False)
    assert done.returncode == 0, done.stderr or done.stdout


def start(cluster: Cluster) -> Monitoring:
    """The monitoring of the tests' cluster. A cluster that is not ours has none."""
    name = cluster.kubeconfig.parent.name
    present = instances.load(name)
    if present is None or present.kubeconfig != cluster.kubeconfig:
        pytest.skip("only a cluster of our own has monitoring")
    run(name)
    made = instances.load(name)
    assert made is not None
    return Monitoring(made)
