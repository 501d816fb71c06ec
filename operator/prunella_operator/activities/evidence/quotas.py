"""Limits that the namespace and the nodes set: quotas, LimitRanges, the memory of nodes."""

from collections.abc import Iterable, Iterator

from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_workflows.model.evidence import MemoryBounds
from prunella_workflows.model.quantity import parse_bytes, parse_quantity


def read_memory_bounds(kube: SyncClient, namespace: str) -> MemoryBounds:
    """The upper bounds for memory."""
    free = read_free_quota(kube, namespace)
    ranges = list(kube.list(paths.core(namespace, "limitranges")))
    ratios = map(parse_quantity, _container_limits(ranges, "maxLimitRequestRatio"))
    nodes = [
        parse_bytes(str(node["status"]["allocatable"]["memory"]))
        for node in kube.list("/api/v1/nodes")
        if not (node.get("spec") or {}).get("unschedulable") and "memory" in node["status"].get("allocatable", {})
    ]
    return MemoryBounds(
        quota_limits_free=_min_free(free, "limits.memory"),
        quota_requests_free=_min_free(free, "requests.memory", "memory"),
        container_max=min(map(parse_bytes, _container_limits(ranges, "max")), default=None),
        ratio_max=min(map(float, ratios), default=None),
        node_max=max(nodes, default=None),
        resize_offered=_resize_offered(kube),
    )


def _resize_offered(kube: SyncClient) -> bool:
    """True if the API server can resize running pods (Kubernetes 1.33 and later, unless it is disabled)."""
    return any(resource.get("name") == "pods/resize" for resource in kube.get("/api/v1").get("resources") or ())


def read_free_quota(kube: SyncClient, namespace: str) -> dict[str, float]:
    """The remainder of the tightest quota of each resource, in its base unit: pods, cores, bytes."""
    free: dict[str, float] = {}
    for quota in kube.list(paths.core(namespace, "resourcequotas")):
        status = quota.get("status") or {}
        if "Terminating" in ((quota.get("spec") or {}).get("scopes") or ()):  # for pods with a deadline: ours have none
            continue
        for name, hard in (status.get("hard") or {}).items():
            used = (status.get("used") or {}).get(name, "0")
            left = float(parse_quantity(str(hard)) - parse_quantity(str(used)))
            free[name] = min(left, free.get(name, left))
    return free


def _min_free(free: dict[str, float], *names: str) -> int | None:
    """The remainder of a resource that quotas know by several names, in whole bytes."""
    return min((int(free[name]) for name in names if name in free), default=None)


def _container_limits(ranges: Iterable[Object], key: str) -> Iterator[str]:
    """The memory values in the LimitRanges for one container."""
    for range_ in ranges:
        for limit in (range_.get("spec") or {}).get("limits") or ():
            if limit.get("type") == "Container" and "memory" in (limit.get(key) or {}):
                yield str(limit[key]["memory"])
