"""The stage of a storm: a simulated control plane, Prunella beside it, and the workloads that break."""

import hashlib
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fakes.statuses import crash_loop
from support.api import Api, Object, until
from support.cluster import Cluster, dedicated_cluster
from support.deployments import a_deployment
from support.notifications import an_alert
from support.outage import Temporal
from support.prunella import PrunellaProcess
from support.running_apart import running_apart

from prunella_operator import clock
from prunella_operator.kubernetes import paths

_ALWAYS = {"tolerations": [{"operator": "Exists"}], "terminationGracePeriodSeconds": 0}


@contextmanager
def control_plane(log_progress: Callable[[str], None], name: str) -> Iterator[Cluster]:
    """Fake nodes under a real control plane."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOGC", "500")  # it shares the cores with what is measured, and memory is there
        with dedicated_cluster(log_progress, name, "--simulated") as made:
            yield made


@contextmanager
def running(
    cluster: Cluster, folder: Path, **settings: object
) -> Iterator[tuple[str, Temporal, dict[str, PrunellaProcess], str]]:
    """Prunella's user, Temporal, operator and worker, and the name of this run.

    A release must not become known as good before the storm makes it crash.
    """
    assert cluster.audit
    run = secrets.token_hex(2)
    parts, account = (cluster.api, cluster.kubeconfig, folder), f"storm-account-{run}"
    with running_apart(*parts, account, cluster.audit, **{"known_good_after": 15, **settings}) as made:
        yield made.user, made.temporal, {"operator": made.operator, "worker": made.worker}, run


@dataclass
class StormWorkload:
    """A Deployment of the storm."""

    api: Api
    namespace: str
    name: str
    release: bool
    broken: Object = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """The fingerprint of its alert."""
        return hashlib.sha256(f"{self.namespace}/{self.name}".encode()).hexdigest()[:16]

    def make(self) -> None:
        self.api.apply(self._deployment(1))

    def _deployment(self, version: int) -> Object:
        deployment = a_deployment(self.namespace, self.name, version=version, replicas=1, ready_every=None)
        deployment["spec"]["template"]["spec"].update(_ALWAYS)
        return deployment

    def break_it(self) -> Object:
        """Let its pod crash-loop from now on; for a bad release the pod of that release, as soon as there is one.

        Returns the alert about it.
        """
        (self.broken,) = self.api.apply(self._deployment(2 if self.release else 1))
        pod = until(self._pod, 60, f"{self.name} has a pod of its release", every=0.1)
        path = paths.core(self.namespace, "pods", f"{pod['metadata']['name']}/status")
        self.api.patch(path, {"status": crash_loop("Error", 1) if self.release else crash_loop("OOMKilled", 137)})
        labels = {"alertname": "KubePodCrashLooping", "severity": "critical", "namespace": self.namespace}
        since = clock.now().isoformat().replace("+00:00", "Z")
        about = {**labels, "pod": pod["metadata"]["name"]}
        return an_alert(labels=about, fingerprint=self.fingerprint, startsAt=since)

    def _pod(self) -> Object | None:
        image = f"prunella.local/shop:{2 if self.release else 1}"
        found = self.api.items(paths.core(self.namespace, "pods"), labelSelector=f"app={self.name}")
        fitting = (item for item in found if item["spec"]["containers"][0]["image"] == image)
        return next((pod for pod in fitting if pod["status"].get("phase") == "Running"), None)
