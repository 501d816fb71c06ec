"""The order system in the cluster: its manifests, what a person does to it, and what has become of it."""

import copy
import json
import secrets
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import yaml
from localcluster import build
from walkthrough.console import DemoError
from walkthrough.objects import Applier, Object

from orderhealing.outside import NAME, Outside
from prunella_operator.kubernetes.api import MERGE_PATCH, Api
from prunella_workflows.model.errors import NotFound

NAMESPACE = "order-system"
SERVICE, WORKERS, PAYMENTS, CARRIER = "order-service", "order-workers", "payments", "carrier"
DEPLOYMENTS = (SERVICE, WORKERS, PAYMENTS, CARRIER)
MANIFESTS = Path(__file__).resolve().parents[3] / "examples" / "orders" / "manifests" / "healing"
_CORE, _APPS = f"/api/v1/namespaces/{NAMESPACE}", f"/apis/apps/v1/namespaces/{NAMESPACE}"
_TIMEOUT = aiohttp.ClientTimeout(total=10)
_GONE_SECONDS = 120.0


def rendered(folder: Path = MANIFESTS) -> list[Object]:
    """The objects of the manifests, in an order in which they can be applied."""
    command = [str(build.binary("kubectl")), "kustomize", str(folder)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return list(yaml.safe_load_all(text))


def with_names(deployment: Object, addresses: dict[str, str]) -> Object:
    """The Deployment with pods that know these names: the local cluster has no DNS."""
    found = copy.deepcopy(deployment)
    aliases = [{"ip": address, "hostnames": [name]} for name, address in addresses.items()]
    found["spec"]["template"]["spec"]["hostAliases"] = aliases
    return found


def with_variable(deployment: Object, name: str, value: str) -> Object:
    """The Deployment with one more variable: the next release."""
    found = copy.deepcopy(deployment)
    found["spec"]["template"]["spec"]["containers"][0]["env"].append({"name": name, "value": value})
    return found


class PodState(NamedTuple):
    """A pod of a Deployment, and how often its containers were restarted."""

    deployment: str
    name: str
    restarts: int


@dataclass(frozen=True)
class Shape:
    """The parts that must not change in innocent workloads: templates by Deployment, pods by uid.

    `removed` are the names of the pods that ReplicaSets removed themselves, as an autoscaler asks for.
    """

    templates: dict[str, Object]
    pods: dict[str, PodState]
    removed: frozenset[str] = frozenset()

    def changed(self, later: "Shape") -> set[str]:
        """The Deployments that have another template since, or a pod that was restarted or deleted."""
        templates = {name for name, template in self.templates.items() if later.templates.get(name) != template}
        touched = (pod for uid, pod in self.pods.items() if later.pods.get(uid) != pod)
        kept = later.removed - {pod.name for pod in later.pods.values()}
        return templates | {pod.deployment for pod in touched if pod.name not in kept}


class OrderSystem:
    """The system, on the API server."""

    def __init__(self, api: Api, applier: Applier, outside: Outside) -> None:
        self._api, self._applier, self._outside = api, applier, outside
        self._deployments: dict[str, Object] = {}

    def remove(self) -> None:
        """Delete the namespace with everything in it, and wait until it is gone.

        Raises:
            DemoError: it is still there after `_GONE_SECONDS`.
        """
        path, deadline = f"/api/v1/namespaces/{NAMESPACE}", time.monotonic() + _GONE_SECONDS
        with suppress(NotFound):
            while time.monotonic() < deadline:
                self._api.call("DELETE", path)
                time.sleep(1)
            raise DemoError(f"namespace {NAMESPACE} is not gone after {_GONE_SECONDS:.0f} s")

    def deploy(self) -> None:
        """Apply the manifests, and the Secrets that they need."""
        objects = rendered()
        namespace, *others = [obj for obj in objects if obj["kind"] != "Deployment"]
        self._applier.apply([namespace, *self._secrets(), *others])
        addresses = {NAME: self._outside.address, **{name: self.address(name) for name in (SERVICE, PAYMENTS, CARRIER)}}
        made = [with_names(obj, addresses) for obj in objects if obj["kind"] == "Deployment"]
        self._deployments = {obj["metadata"]["name"]: obj for obj in made}
        self._applier.apply(made)

    def _secrets(self) -> list[Object]:
        values = {
            "order-database": {"url": self._outside.url_for_pods},
            "order-tokens": {"callback": secrets.token_hex(16), "approval": secrets.token_hex(16)},
        }
        kind = {"apiVersion": "v1", "kind": "Secret"}
        return [
            {**kind, "metadata": {"name": name, "namespace": NAMESPACE}, "stringData": data}
            for name, data in values.items()
        ]

    def address(self, service: str) -> str:
        """The address of a Service."""
        return str(self._api.call("GET", f"{_CORE}/services/{service}")["spec"]["clusterIP"])

    def url(self, service: str) -> str:
        """Its URL, for this machine."""
        return f"http://{self.address(service)}:8080"

    def shape(self) -> Shape:
        """The templates and pods of all workloads, now."""
        found = {name: self._api.call("GET", f"{_APPS}/deployments/{name}") for name in DEPLOYMENTS}
        pods = {pod["metadata"]["uid"]: pod for name in DEPLOYMENTS for pod in self._pods(name)}
        return Shape(
            {name: deployment["spec"]["template"] for name, deployment in found.items()},
            {uid: PodState(_name_of(pod), pod["metadata"]["name"], _restarts_of(pod)) for uid, pod in pods.items()},
            self._removed(),
        )

    def _removed(self) -> frozenset[str]:
        """The pods that ReplicaSets have removed, by their Events."""
        chosen = "involvedObject.kind=ReplicaSet,reason=SuccessfulDelete"
        found = self._api.call("GET", f"{_CORE}/events", fieldSelector=chosen)["items"]
        return frozenset(event["message"].rpartition(": ")[2] for event in found)

    def _pods(self, name: str) -> list[Object]:
        items: list[Object] = self._api.call("GET", f"{_CORE}/pods", labelSelector=f"app.kubernetes.io/name={name}")[
            "items"
        ]
        return items

    def release(self, name: str, variable: str, value: str) -> None:
        """Roll out a release with one more setting."""
        self._applier.apply([with_variable(self._deployments[name], variable, value)])

    def configure(self, **settings: str | None) -> None:
        """Set variables of all processes, or remove them (None). They count for pods that start later."""
        self._api.call("PATCH", f"{_CORE}/configmaps/order-settings", {"data": settings}, MERGE_PATCH)

    def lose_pods(self, name: str) -> None:
        """Delete the pods of a Deployment, as the drain of a node does; others take their place."""
        for pod in self._pods(name):
            self._api.call("DELETE", f"{_CORE}/pods/{pod['metadata']['name']}")

    async def afflict(self, service: str, **faults: Any) -> None:
        """Give each pod of a service these faults; without any, it has none."""
        async with aiohttp.ClientSession(timeout=_TIMEOUT, raise_for_status=True) as http:
            for pod in self._pods(service):
                await http.put(f"http://{pod['status']['podIP']}:8080/faults", json=faults)


def _name_of(pod: Object) -> str:
    return str(pod["metadata"]["labels"]["app.kubernetes.io/name"])


def _restarts_of(pod: Object) -> int:
    return sum(status["restartCount"] for status in pod["status"].get("containerStatuses") or ())


def memory_needed(mebibytes: int) -> str:
    """The setting by which workers need more memory."""
    return json.dumps({"memory_mib": mebibytes})
