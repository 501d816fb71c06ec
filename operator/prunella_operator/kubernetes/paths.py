"""Paths of the Kubernetes API."""

import re

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
    """Check that each segment of the path may be a name.

    Names also come from annotations and owner references, which users can set to `..` or to a query. Clients resolve
    these, and a request with our permissions would go to another path.

    Raises:
        NotFound: no object can have this path.
    """
    if not _VALID_PATH.fullmatch(path):
        raise NotFound("no object can have this name: it contains characters that no Kubernetes name has")


def collection(kind: str, namespace: str) -> str:
    """The path of all objects of a kind in a namespace.

    Raises:
        InvalidIncident: Prunella does not support the kind.
    """
    if kind not in _PLURALS:
        raise InvalidIncident(f"spec.target.kind: {kind} is not a kind of workload Prunella knows")
    prefix, plural = _PLURALS[kind]
    return f"{prefix}/namespaces/{namespace}/{plural}"


def workload(ref: WorkloadRef) -> str:
    """The path of one workload."""
    return f"{collection(ref.kind, ref.namespace)}/{ref.name}"


def core(namespace: str, plural: str, name: str = "") -> str:
    """The path of a core/v1 resource in a namespace."""
    return f"/api/v1/namespaces/{namespace}/{plural}" + (f"/{name}" if name else "")


def snapshots(namespace: str, name: str = "") -> str:
    """The path of a namespace's snapshots, or of one: ControllerRevisions, the API's kind for templates."""
    return f"/apis/apps/v1/namespaces/{namespace}/controllerrevisions" + (f"/{name}" if name else "")


def autoscalers(namespace: str, name: str = "") -> str:
    """The path of a namespace's HorizontalPodAutoscalers, or of one."""
    return f"/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers" + (f"/{name}" if name else "")


def budgets(namespace: str) -> str:
    """The path of a namespace's PodDisruptionBudgets."""
    return f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets"


def incidents(namespace: str = "", name: str = "") -> str:
    """The path of all Incidents, of a namespace's Incidents, or of one."""
    scope = f"/namespaces/{namespace}" if namespace else ""
    return f"{API}{scope}/incidents" + (f"/{name}" if name else "")


def policies(namespace: str = "") -> str:
    """The path of a namespace's HealingPolicies, or of the ClusterHealingPolicies."""
    if namespace:
        return f"{API}/namespaces/{namespace}/healingpolicies"
    return f"{API}/clusterhealingpolicies"


def all_policies() -> str:
    """The path of the HealingPolicies of all namespaces."""
    return f"{API}/healingpolicies"


def events(namespace: str) -> str:
    """The path of a namespace's events."""
    return f"/apis/events.k8s.io/v1/namespaces/{namespace}/events"


def pod_metrics(namespace: str) -> str:
    """The path of metrics-server's measurements of a namespace's pods."""
    return f"/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods"


def leases(namespace: str, name: str = "") -> str:
    """The path of a namespace's Leases, or of one."""
    return f"/apis/{LEASES}/namespaces/{namespace}/leases" + (f"/{name}" if name else "")
