"""In words: the facts that a diagnosis does not know because a dump lacks them."""

from collections.abc import Iterable, Iterator

from prunella_operator.kubernetes.dump.client import Lack

_NO_MANAGERS = "who manages its fields: the dump has no managedFields (kubectl get --show-managed-fields)"
_SNAPSHOTS = "controllerrevisions"
"""Prunella's own are looked for there, too: a dump lacks none of these, because it has no Prunella."""
_NEEDED = frozenset({"pods", "replicasets", "controllerrevisions", "events", "jobs"})
_UNKNOWN = {
    "logs": "what the program wrote",
    "resources": "whether running pods can be resized",
    "measurements": "how much its pods use",
    "pods": "how its pods are",
    "replicasets": "which pods and which earlier releases are its own",
    "controllerrevisions": "which of its pods have the current release",
    "events": "why pods are not created, do not start or fail their probes",
    "jobs": "how its Jobs ended",
    "namespaces": "whether its namespace opted in or out",
    "nodes": "how its nodes are",
    "services": "which workloads it needs",
    "deployments": "how the workloads are that it needs",
    "statefulsets": "how the workloads are that it needs",
    "daemonsets": "how the workloads are that it needs",
    "horizontalpodautoscalers": "whether an autoscaler sets its replicas",
    "poddisruptionbudgets": "how many of its pods may be taken away",
    "resourcequotas": "what the quotas of the namespace leave",
    "limitranges": "which limits the namespace allows",
}


def is_needed(lack: Lack) -> bool:
    """True if no fault can be confirmed without it, given that a confirmation asked for it."""
    return lack.resource in _NEEDED


def describe(lack: Lack) -> str:
    """Say what is not known, and what the dump would have to have."""
    unknown = _UNKNOWN.get(lack.resource, "what they show")
    return f"{unknown}: the dump has no {_thing(lack)}"


def describe_all(lacks: Iterable[Lack], *, managed: bool) -> Iterator[str]:
    """All that a diagnosis does not know. `managed`: the managers of fields are known, or do not matter."""
    yield from (describe(lack) for lack in lacks if lack.resource != _SNAPSHOTS)
    if not managed:
        yield _NO_MANAGERS


def _thing(lack: Lack) -> str:
    match lack.resource:
        case "logs":
            return f"log of {lack.name}"
        case "resources":
            return "list of the API's resources"
        case "measurements":
            return "measurements"
    return f"{lack.resource} of namespace {lack.namespace}" if lack.namespace else lack.resource
