"""The condition for a workload to be served: its rollout is complete and every wanted pod is available."""

from support.api import Object


def served(workload: Object) -> bool:
    """Check that the rollout is complete and every wanted pod is available. Needs `kind`.

    A workload that wants no pods is served.
    """
    status = workload.get("status") or {}
    seen = status.get("observedGeneration", 0) >= workload["metadata"].get("generation", 0)
    return seen and _COMPLETE[workload["kind"]](workload["spec"], status)


def _deployment(spec: Object, status: Object) -> bool:
    wanted = spec.get("replicas", 1)
    return all(status.get(field, 0) == wanted for field in ("replicas", "updatedReplicas", "availableReplicas"))


def _stateful_set(spec: Object, status: Object) -> bool:
    wanted = spec.get("replicas", 1)
    partition = ((spec.get("updateStrategy") or {}).get("rollingUpdate") or {}).get("partition", 0)
    updated = _by_hand(spec) or status.get("updatedReplicas", 0) >= wanted - partition
    return updated and status.get("availableReplicas", 0) == status.get("replicas", 0) == wanted


def _daemon_set(spec: Object, status: Object) -> bool:
    wanted = status.get("desiredNumberScheduled", 0)
    updated = _by_hand(spec) or status.get("updatedNumberScheduled", 0) == wanted
    return updated and wanted > 0 and status.get("numberAvailable", 0) == wanted


def _by_hand(spec: Object) -> bool:
    return (spec.get("updateStrategy") or {}).get("type") == "OnDelete"


_COMPLETE = {"Deployment": _deployment, "StatefulSet": _stateful_set, "DaemonSet": _daemon_set}
