"""The API server as a test uses it, in the role of the owner of workloads."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import yaml

from prunella_operator.kubernetes.access import load_access
from prunella_operator.kubernetes.api import APPLY_PATCH, MERGE_PATCH
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_workflows.model.errors import NotFound, Unavailable

Object = dict[str, Any]
T = TypeVar("T")

MANAGER = "prunella-tests"
_PREFIXES = {
    "v1": "/api/v1",
    "apps/v1": "/apis/apps/v1",
    "batch/v1": "/apis/batch/v1",
    "policy/v1": "/apis/policy/v1",
    "autoscaling/v2": "/apis/autoscaling/v2",
    "prunella.dev/v1alpha1": "/apis/prunella.dev/v1alpha1",
    "keda.sh/v1alpha1": "/apis/keda.sh/v1alpha1",
    "rbac.authorization.k8s.io/v1": "/apis/rbac.authorization.k8s.io/v1",
    "admissionregistration.k8s.io/v1": "/apis/admissionregistration.k8s.io/v1",
    "apiextensions.k8s.io/v1": "/apis/apiextensions.k8s.io/v1",
    "node.k8s.io/v1": "/apis/node.k8s.io/v1",
    "shop.example.org/v1": "/apis/shop.example.org/v1",
    "apiregistration.k8s.io/v1": "/apis/apiregistration.k8s.io/v1",
    "discovery.k8s.io/v1": "/apis/discovery.k8s.io/v1",
}
_PLURALS = {
    "HealingPolicy": "healingpolicies",
    "ClusterHealingPolicy": "clusterhealingpolicies",
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    "RuntimeClass": "runtimeclasses",
}


def until(condition: Callable[[], T], seconds: float, what: str, every: float = 0.25) -> T:
    """Ask until the answer is true; an API server that is busy for a moment is asked again."""
    end = time.monotonic() + seconds
    while True:
        with suppress(Unavailable):
            if answer := condition():
                return answer
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        time.sleep(every)


def documents(path: Path) -> list[Object]:
    """The objects of a YAML file."""
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def path_of(obj: Object, *, collection: bool = False) -> str:
    """The path of an object, or of its collection."""
    meta, kind = obj["metadata"], obj["kind"]
    scope = f"/namespaces/{meta['namespace']}" if "namespace" in meta else ""
    plural = _PLURALS.get(kind, f"{kind.lower()}s")
    return f"{_PREFIXES[obj['apiVersion']]}{scope}/{plural}" + ("" if collection else f"/{meta['name']}")


class Api:
    """Calls to one API server."""

    def __init__(self, kubeconfig: str | None, context: str | None = None) -> None:
        self._kube = SyncClient(load_access(kubeconfig, context), timeout=30)
        self.server = self._kube.server

    def get(self, path: str, **query: str) -> Object:
        return self._kube.call("GET", path, **query)

    def user(self) -> str:
        """The name under which the API server knows the caller."""
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        answer = self._kube.call("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
        return str(answer["status"]["userInfo"]["username"])

    def text(self, path: str) -> str:
        """Return an answer that is not an object: metrics, logs."""
        return self._kube.text(path)

    def find(self, path: str, **query: str) -> Object | None:
        """The object, or None when there is none."""
        with suppress(NotFound):
            return self.get(path, **query)
        return None

    def items(self, path: str, **query: str) -> list[Object]:
        return self.get(path, **query)["items"]

    def apply(self, *objects: Object, manager: str = MANAGER) -> list[Object]:
        """Server-side apply as the owner; objects that only have a generateName are created."""
        return [self._apply(obj, manager) for obj in objects]

    def _apply(self, obj: Object, manager: str) -> Object:
        if "name" not in obj["metadata"]:
            return self._kube.call("POST", path_of(obj, collection=True), obj, fieldManager=manager)
        return self._kube.call("PATCH", path_of(obj), obj, APPLY_PATCH, fieldManager=manager, force="true")

    def create(self, path: str, body: Object, **query: str) -> Object:
        return self._kube.call("POST", path, body, fieldManager=MANAGER, **query)

    def patch(self, path: str, body: Object) -> Object:
        return self._kube.call("PATCH", path, body, MERGE_PATCH, fieldManager=MANAGER)

    def delete(self, path: str, propagation: str = "Background", uid: str = "") -> None:
        """Delete it; one that is gone already is fine. Raises Conflict when another uid than the given one is there."""
        only = {"preconditions": {"uid": uid}} if uid else {}
        with suppress(NotFound):
            self._kube.call("DELETE", path, {"propagationPolicy": propagation, **only})

    def incidents(self, namespace: str) -> list[Object]:
        return self.items(f"/apis/prunella.dev/v1alpha1/namespaces/{namespace}/incidents")

    def pods(self, namespace: str) -> Iterator[Object]:
        """The live pods of a namespace."""
        found = self.items(f"/api/v1/namespaces/{namespace}/pods")
        return (item for item in found if "deletionTimestamp" not in item["metadata"])
