"""Paths of the Kubernetes API."""

import re
from functools import partial

from prunella_workflows.model import labels
from prunella_workflows.model.errors import InvalidIncident, NotFound
from prunella_workflows.model.workload import WorkloadRef

FIELD_MANAGER = "prunella"
LEASES = "coordination.k8s.io/v1"
API = f"/apis/{labels.API_VERSION}"
"""The path of our own API."""

_PLURALS = {
    "Deployment": ("/apis/apps/v1", "deployments"),
    "StatefulSet": ("/apis/apps/v1", "statefulsets"),
    "DaemonSet": ("/apis/apps/v1", "daemonsets"),
    "ReplicaSet": ("/apis/apps/v1", "replicasets"),
    "Job": ("/apis/batch/v1", "jobs"),
    "CronJob": ("/apis/batch/v1", "cronjobs"),
    "Pod": ("/api/v1", "pods"),
}
_VALID_PATH = re.compile(r"(?:/[A-Za-z0-9][A-Za-z0-9._:-]*)+")


def check_path(path: str) -> None:
    """Raise NotFound if a segment of the path cannot be a name.

    Names also come from annotations and owner references, which users can set to `..` or to a query. Clients resolve
    these, and a request with our permissions would go to another path.
    """
    if not _VALID_PATH.fullmatch(path):
        raise NotFound("no object can have this name: it contains characters that no Kubernetes name has")


def collection(kind: str, namespace: str) -> str:
    """The path of all objects of a kind in a namespace. Raises InvalidIncident for a kind we do not support."""
    if kind not in _PLURALS:
        raise InvalidIncident(f"spec.target.kind: {kind} is not a kind of workload Prunella knows")
    return _path(*_PLURALS[kind], namespace)


def api_version(kind: str) -> str:
    """The apiVersion of a kind of workload, as `batch/v1`; for others that of most."""
    prefix, _ = _PLURALS.get(kind, _PLURALS["Deployment"])
    return prefix.removeprefix("/apis/").removeprefix("/api/")


def workload(ref: WorkloadRef) -> str:
    """The path of one workload."""
    return f"{collection(ref.kind, ref.namespace)}/{ref.name}"


def history(kind: str, namespace: str) -> str:
    """The path of the revisions that the controller of a kind of workload keeps in a namespace."""
    return collection("ReplicaSet", namespace) if kind == "Deployment" else snapshots(namespace)


def core(namespace: str, plural: str, name: str = "") -> str:
    """The path of a core/v1 resource in a namespace."""
    return _path("/api/v1", plural, namespace, name)


def policies(namespace: str = "") -> str:
    """The path of a namespace's HealingPolicies, or of the ClusterHealingPolicies."""
    return _path(API, "healingpolicies" if namespace else "clusterhealingpolicies", namespace)


def all_policies() -> str:
    """The path of the HealingPolicies of all namespaces."""
    return _path(API, "healingpolicies")


def _path(prefix: str, plural: str, namespace: str = "", name: str = "") -> str:
    """The path of all objects of a resource, of those in a namespace, or of one."""
    scope = f"/namespaces/{namespace}" if namespace else ""
    return f"{prefix}{scope}/{plural}" + (f"/{name}" if name else "")


# Each takes a namespace and, for a single object, its name. Without a namespace, it is the path of all Incidents.
incidents = partial(_path, API, "incidents")
snapshots = partial(_path, "/apis/apps/v1", "controllerrevisions")  # the API's kind for templates
autoscalers = partial(_path, "/apis/autoscaling/v2", "horizontalpodautoscalers")
budgets = partial(_path, "/apis/policy/v1", "poddisruptionbudgets")
events = partial(_path, "/apis/events.k8s.io/v1", "events")
pod_metrics = partial(_path, "/apis/metrics.k8s.io/v1beta1", "pods")
track_records = partial(_path, "/api/v1", "configmaps")
leases = partial(_path, f"/apis/{LEASES}", "leases")
