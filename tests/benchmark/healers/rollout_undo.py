"""Undoes the last rollout of whatever is not served for a minute, as `kubectl rollout undo` does."""

from collections.abc import Iterable
from copy import deepcopy

from benchmark.healers.watching import Workloads, heal
from support.api import Object

_REVISION = "deployment.kubernetes.io/revision"


def undo(workload: Object, revisions: Iterable[Object]) -> list[Object] | None:
    """The JSON patch to the revision before the newest, of ReplicaSets or ControllerRevisions.

    None where kubectl has nothing to do, too: a paused rollout, or a first revision.
    """
    owned = sorted((revision for revision in revisions if _owns(workload, revision)), key=_number)
    if workload["spec"].get("paused") or len(owned) < 2:
        return None
    return [{"op": "replace", "path": "/spec/template", "value": _template(owned[-2])}]


def _owns(workload: Object, revision: Object) -> bool:
    owners = revision["metadata"].get("ownerReferences") or ()
    return any(owner["uid"] == workload["metadata"]["uid"] for owner in owners)


def _number(revision: Object) -> int:
    return int(revision.get("revision") or revision["metadata"]["annotations"][_REVISION])


def _template(revision: Object) -> Object:
    """The pod template, without what its controller has added."""
    template = deepcopy((revision.get("data") or revision)["spec"]["template"])
    template.pop("$patch", None)
    (template["metadata"].get("labels") or {}).pop("pod-template-hash", None)
    return template


def _act(workloads: Workloads, workload: Object) -> None:
    plural = "replicasets" if workload["kind"] == "Deployment" else "controllerrevisions"
    if patch := undo(workload, workloads.list(workload["metadata"]["namespace"], plural)):
        workloads.patch(workload, patch, "application/json-patch+json")


if __name__ == "__main__":
    heal(_act)
