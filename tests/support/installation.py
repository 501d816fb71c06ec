"""Prunella in a cluster as people install it: the real image and an overlay or the chart.

What only the local cluster lacks is added: names (DNS), which pods get by `hostAliases`, and volumes, of which the one
is a folder of this machine. Everything else is what the overlay says.
"""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
import yaml
from localcluster import instance as instances
from localcluster.instance import Instance
from support import image, samples
from support.access_control import HOME, MANIFESTS
from support.api import Object, until
from support.cluster import ROOT, Cluster, install_crds
from support.deployments import gone
from support.documented_commands import commands_of, typed
from support.outage import WorkloadUnderTest
from support.programs import program

PODS = f"/api/v1/namespaces/{HOME}/pods"
APP = "app.kubernetes.io/name"
SHOP = "shop"
ACCOUNTS = {part: f"system:serviceaccount:{HOME}:prunella-{part}" for part in ("operator", "worker", "console")}
CHART = ROOT / "charts" / "prunella"
_READY_WITHIN = 240
_TEMPORAL = 233 * 256 + 33  # the place of its Service among the addresses of Services

Patch = Mapping[str, Any]


def instance_of(cluster: Cluster) -> Instance:
    """The local cluster. With another one the test is skipped."""
    instance = None if cluster.context else instances.load(cluster.kubeconfig.parent.name)
    if instance is None:
        pytest.skip("this needs a cluster of our own: its node is worked on")
    return instance


def own_cluster(cluster: Cluster, packages_lock: str) -> Instance:
    """The local cluster with one of Prunella's images. Else the test is skipped; without image CI=true fails."""
    instance = instance_of(cluster)
    if why := image.hindrance():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(why)
    archive = str(image.archive(packages_lock))
    line = [sys.executable, str(ROOT / "hack" / "cluster"), "images", "--name", instance.name, archive]
    subprocess.run(line, check=True, capture_output=True, timeout=300)
    return instance


@dataclass
class Installation:
    """Prunella's pods, not installed yet. `replacements` are of words in the commands of the page on installing.

    `removal` is the command that removes whatever a failed test has left.
    """

    cluster: Cluster
    replacements: Mapping[str, str]
    removal: str
    first: list[Object] = field(default_factory=list, init=False)
    """All pods as they were when everything was ready for the first time."""

    def __post_init__(self) -> None:
        if self.cluster.audit:
            self.cluster.audit.users |= set(ACCOUNTS.values())

    def type_section(self, section: str) -> dict[str, str]:
        """Run the commands below a heading of the page on installing; return the output of each."""
        return {command: self.type(command) for command in commands_of("docs/install.md", section)}

    def type(self, command: str) -> str:
        """Run a command as the page on installing has it; return its output."""
        try:
            return typed(command, self.cluster.kubeconfig, self.replacements)
        except AssertionError as error:
            error.add_note(self.tail())
            raise

    def ready(self) -> None:
        """Wait until every replica is ready, and remember the pods as they were then."""
        for name in ("operator", "worker", "console"):
            self.kubectl("rollout", "status", f"deployment/prunella-{name}", f"--timeout={_READY_WITHIN}s", timeout=300)
        self.first = self.first or self.cluster.api.items(PODS)

    def kubectl(self, *arguments: str, timeout: float = 60) -> str:
        """kubectl in Prunella's namespace."""
        return self.cluster.kubectl("-n", HOME, *arguments, timeout=timeout)

    def opt_in(self) -> str:
        """The namespace that opts in on the page on installing."""
        self.cluster.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SHOP}})
        self.type_section("Let it heal a namespace")
        return SHOP

    def heal_during(self, disruption: str) -> WorkloadUnderTest:
        """Break a Deployment, run a command while it is repaired, and assert that it is healed once."""
        workload = WorkloadUnderTest(self.cluster.api, self.opt_in(), f"web-{secrets.token_hex(2)}")
        workload.api.apply(samples.policy(SHOP, grace="2s", verification={"window": "6s", "timeout": "5m"}))
        workload.make()
        until(workload.is_good, 60, "the good release is known")
        workload.break_it()
        workload.reaches("Diagnosing", "Repairing")
        self.type(disruption)
        self.assert_healed_once(workload)
        return workload

    def assert_healed_once(self, workload: WorkloadUnderTest) -> None:
        """Assert that the workload's only incident ended as healed, by one write, made by the worker."""
        workload.closed()
        workload.assert_healed_once(None)
        if self.cluster.audit:
            assert self.writers(workload.namespace, workload.name) == ["worker"]

    def writers(self, namespace: str, name: str = "") -> list[str]:
        """The parts that wrote to users' objects there, once for each write that was granted. Needs the audit log."""
        assert self.cluster.audit
        found = [
            (part, write) for part, user in ACCOUNTS.items() for write in self.cluster.audit.writes(user, namespace)
        ]
        return [part for part, write in found if write.made and write.of_a_user and name in ("", write.name)]

    def pods(self, name: str) -> list[Object]:
        """The live pods of a part, oldest first."""
        found = self.cluster.api.items(PODS, labelSelector=f"{APP}={name}")
        live = [item for item in found if "deletionTimestamp" not in item["metadata"]]
        return sorted(live, key=lambda item: item["metadata"]["creationTimestamp"])

    def leader(self) -> Object:
        """The pod of the operator that leads, as soon as one does."""
        return until(self._holder, 30, "an operator leads")

    def _holder(self) -> Object | None:
        path = f"/apis/coordination.k8s.io/v1/namespaces/{HOME}/leases/prunella-operator"
        lease = self.cluster.api.find(path) or {"spec": {}}
        holder = lease["spec"].get("holderIdentity") or "(none)"
        return next((pod for pod in self.pods("prunella-operator") if holder.startswith(f"{_name(pod)}_")), None)

    def log(self, pod: str, *options: str) -> str:
        """Return the log of a pod."""
        return self.kubectl("logs", pod, *options)

    def diagnostics(self) -> Iterator[tuple[str, str]]:
        """Yield the parts of a failed test's report."""
        yield "pods", self.kubectl("get", "pods", "-o", "wide")
        yield "events", self.kubectl("get", "events", "--sort-by=.lastTimestamp")
        for pod in self.cluster.api.items(PODS):
            yield f"the log of {_name(pod)}", self.log(_name(pod), "--tail=40", "--ignore-errors")

    def tail(self) -> str:
        """The same as one text."""
        return "\n".join(f"--- {title}\n{text}" for title, text in self.diagnostics())

    def remove(self, *namespaces: str) -> None:
        """Delete the rest, including these namespaces, and restore the definitions, which others rely on."""
        for namespace in namespaces:
            self.cluster.api.delete(f"/api/v1/namespaces/{namespace}")
        typed(self.removal, self.cluster.kubeconfig, self.replacements)
        for namespace in namespaces:
            gone(self.cluster.api, f"/api/v1/namespaces/{namespace}")
        install_crds(self.cluster.api)


def _name(pod: Object) -> str:
    return str(pod["metadata"]["name"])


def _overlay(cluster: Cluster, name: str, folder: Path, settings: Mapping[str, object], **more: Any) -> Installation:
    """An overlay with settings and patches, as a kustomization in this folder."""
    body = {
        "resources": [relative_path(folder, MANIFESTS / "overlays" / name)],
        "configMapGenerator": [merged([f"{_variable(key)}={value}" for key, value in settings.items()])],
        **more,
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(body))
    return Installation(
        cluster, {f"manifests/overlays/{name}": str(folder)}, f"kubectl delete --ignore-not-found -k {folder}"
    )


def _variable(setting: str) -> str:
    return f"PRUNELLA_{setting.upper()}"


def merged(variables: Sequence[str]) -> Object:
    """A generator that adds these variables to the settings of an overlay."""
    return {"name": "prunella-settings", "namespace": HOME, "behavior": "merge", "literals": [*variables]}


def _named(address: IPv4Address, *names: str) -> Patch:
    """All pods reach an address under these names."""
    return _patch(
        "Deployment", "prunella-.*", "/spec/template/spec/hostAliases", [{"ip": str(address), "hostnames": [*names]}]
    )


def _patch(kind: str, name: str, path: str, value: Any) -> Patch:
    return {
        "target": {"kind": kind, "name": name},
        "patch": yaml.safe_dump([{"op": "add", "path": path, "value": value}]),
    }


def relative_path(folder: Path, target: Path) -> str:
    """The relative path from one folder to another, as kustomize requires."""
    return str(Path(*[".."] * len(folder.resolve().parts[1:])) / target.resolve().relative_to("/"))


def quickstart(cluster: Cluster, instance: Instance, folder: Path, **settings: object) -> Installation:
    """The quickstart with two operators, of which one leads, and its volume."""
    address = instance.services[_TEMPORAL]
    _volume(cluster, instance, folder)
    patches = [_named(address, "temporal"), _patch("Service", "temporal", "/spec/clusterIP", str(address))]
    replicas = [{"name": "prunella-operator", "count": 2}]
    return _overlay(cluster, "quickstart", folder, settings, patches=patches, replicas=replicas)


def production(cluster: Cluster, instance: Instance, folder: Path, **settings: object) -> Installation:
    """The production overlay; its Temporal and its Prometheus are this machine's, under the names of the overlay."""
    services = ("temporal-frontend.temporal", "prometheus-operated.monitoring")
    names = [f"{service}.svc.cluster.local" for service in services]
    return _overlay(cluster, "production", folder, settings, patches=[_named(instance.host_address, *names)])


def chart(cluster: Cluster, instance: Instance, folder: Path, **settings: object) -> Installation:
    """The chart with the values of production, whose Temporal is this machine's."""
    values = yaml.safe_load((CHART / "values-production.yaml").read_text())
    values["temporal"]["address"] = f"{instance.host_address}:7233"
    values["settings"] = {_variable(key): str(value) for key, value in settings.items()}
    (folder / "values.yaml").write_text(yaml.safe_dump(values))
    replacements = {
        "helm ": f"{program('helm')} ",
        "charts/prunella/values-production.yaml": str(folder / "values.yaml"),
        "REGISTRY": "prunella.local",
    }
    return Installation(cluster, replacements, f"helm uninstall prunella --ignore-not-found --namespace {HOME}")


def _volume(cluster: Cluster, instance: Instance, folder: Path) -> None:
    """A volume for the claim of Temporal, as an administrator of a cluster without a StorageClass makes one."""
    (data := folder / "volume").mkdir()
    node = {"key": "kubernetes.io/hostname", "operator": "In", "values": [instance.node]}
    cluster.api.apply(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": "prunella-quickstart"},
            "spec": {
                "capacity": {"storage": "1Gi"},
                "accessModes": ["ReadWriteOnce"],
                "claimRef": {"namespace": HOME, "name": "temporal"},
                "local": {"path": str(data)},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [node]}]}},
            },
        }
    )
