"""What a namespace and the nodes allow a workload: quotas, LimitRanges, the memory of nodes."""

from collections.abc import Iterable, Iterator

from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_workflows.model.evidence import MemoryBounds
from prunella_workflows.model.quantity import parse_bytes, parse_quantity


def read_memory_bounds(kube: SyncClient, namespace: str) -> MemoryBounds:
    """How far memory may be raised."""
    free = read_free_quota(kube, namespace)
    ranges = list(kube.list(paths.core(namespace, "limitranges")))
    nodes = [
        parse_bytes(str(one["status"]["allocatable"]["memory"]))
        for one in kube.list("/api/v1/nodes")
        if not (one.get("spec") or {}).get("unschedulable") and "memory" in one["status"].get("allocatable", {})
    ]
    return MemoryBounds(
        quota_limits_free=_least(free, "limits.memory"),
        quota_requests_free=_least(free, "requests.memory", "memory"),
        container_max=_container_max(ranges),
        ratio_max=_ratio_max(ranges),
        node_max=max(nodes, default=None),
        resize_offered=_resize_offered(kube),
    )


def _resize_offered(kube: SyncClient) -> bool:
    """Whether the API server can change running pods (Kubernetes 1.33 and later, if nobody switched it off)."""
    return any(resource.get("name") == "pods/resize" for resource in kube.get("/api/v1").get("resources") or ())


def read_free_quota(kube: SyncClient, namespace: str) -> dict[str, float]:
    """What the tightest quota still grants of each resource, in its base unit: pods, cores, bytes.

    Pods of a controller that runs for ever never have a deadline, so quotas for pods that have one do not count.
    """
    free: dict[str, float] = {}
    for one in kube.list(paths.core(namespace, "resourcequotas")):
        status = one.get("status") or {}
        if "Terminating" in ((one.get("spec") or {}).get("scopes") or ()):
            continue
        for name, hard in (status.get("hard") or {}).items():
            used = (status.get("used") or {}).get(name, "0")
            left = float(parse_quantity(str(hard)) - parse_quantity(str(used)))
            free[name] = min(left, free.get(name, left))
    return free


def _least(free: dict[str, float], *names: str) -> int | None:
    """What is left of a resource that quotas know by several names, in whole bytes."""
    return min((int(free[name]) for name in names if name in free), default=None)


def _container_limits(ranges: Iterable[Object], key: str) -> Iterator[str]:
    """What LimitRanges say about the memory of one container."""
    for range_ in ranges:
        for limit in (range_.get("spec") or {}).get("limits") or ():
            if limit.get("type") == "Container" and "memory" in (limit.get(key) or {}):
                yield str(limit[key]["memory"])


def _container_max(ranges: Iterable[Object]) -> int | None:
    return min(map(parse_bytes, _container_limits(ranges, "max")), default=None)


def _ratio_max(ranges: Iterable[Object]) -> float | None:
    ratios = map(parse_quantity, _container_limits(ranges, "maxLimitRequestRatio"))
    return min(map(float, ratios), default=None)
