"""More memory for running pods, in place: each pod by its uid, from exactly the old limit to exactly the new one.

Doing it twice is doing it once. A pod that is gone is left alone, and so is one whose limit somebody else has set: the
verification sees that it does not have ours.
"""

from contextlib import suppress
from typing import Any

from prunella_operator.activities.repair.diff import memory_diff
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_operator.kubernetes.views.workloads import container_views, pod_view
from prunella_workflows.model.errors import ChangedSince, Conflict, Forbidden, NotFound, Refused
from prunella_workflows.model.plan import PodRef, ResizePods
from prunella_workflows.model.quantity import format_bytes
from prunella_workflows.model.workload import ContainerView


def must_hold(kube: SyncClient, action: ResizePods) -> None:
    """Before anything is written, every pod must be the one that was diagnosed.

    Raises:
        ChangedSince: one is gone, or its limit was changed.
    """
    for pod in action.pods:
        raw = _live(kube, action, pod)
        if raw is None or _container(raw, action).memory_limit != action.limit_from:
            raise ChangedSince(f"pod {pod.name} was replaced or resized since the diagnosis")


def resize(kube: SyncClient, action: ResizePods) -> None:
    """Set the limit in all pods or, where the API server refuses one of them, in none.

    Raises:
        Refused, Forbidden: a pod may not have it (a LimitRange, an admission rule; a quota).
        Conflict: a pod changed while it was being written; the same order completes it.
    """
    try:
        for pod in action.pods:
            _set(kube, action, pod)
    except (Refused, Forbidden):
        with suppress(Refused):
            take_back(kube, action.model_copy(update=swapped(action)))
        raise


def take_back(kube: SyncClient, undo: ResizePods) -> None:
    """Set the old limit where the pod still has exactly ours, in as many pods as will have it.

    Raises:
        Refused: a limit may not be lowered.
        Conflict: a pod changed while it was being written; the same order completes it.
    """
    refusals = []
    for pod in undo.pods:
        try:
            _set(kube, undo, pod)
        except (Refused, Forbidden) as error:
            refusals.append(f"pod {pod.name}: {error}")
    if refusals:
        raise Refused("; ".join(refusals))


def swapped(action: ResizePods) -> dict[str, Any]:
    """The fields of the opposite action."""
    return {
        "limit_from": action.limit_to,
        "limit_to": action.limit_from,
        "request_from": action.request_to,
        "request_to": action.request_from,
    }


def diff(action: ResizePods) -> str:
    """The change for people."""
    return memory_diff(action.container, action.limit_from, action.limit_to)


def _set(kube: SyncClient, action: ResizePods, pod: PodRef) -> None:
    raw = _live(kube, action, pod)
    if raw is None or _container(raw, action).memory_limit != action.limit_from:
        return
    try:
        kube.json_patch(f"{_path(action, pod)}/resize", _operations(raw, action))
    except NotFound:
        return
    except Refused as error:
        now = _live(kube, action, pod)
        if now is None or now["metadata"]["resourceVersion"] != raw["metadata"]["resourceVersion"]:
            raise Conflict(f"pod {pod.name} changed while it was being written") from error
        raise


def _live(kube: SyncClient, action: ResizePods, pod: PodRef) -> Object | None:
    """The pod as it is now; None when it is gone, ends, or is a namesake."""
    try:
        raw = kube.get(_path(action, pod))
    except NotFound:
        return None
    return raw if raw["metadata"]["uid"] == pod.uid and pod_view(raw).live else None


def _path(action: ResizePods, pod: PodRef) -> str:
    return paths.core(action.target.namespace, "pods", pod.name)


def _container(raw: Object, action: ResizePods) -> ContainerView:
    return next(view for view in container_views(raw) if (view.name, view.init) == (action.container, False))


def _operations(raw: Object, action: ResizePods) -> list[Object]:
    """The patch of one pod; it fails when pod, container or limit are no longer those that were read."""
    container = _container(raw, action)
    base = f"/spec/containers/{container.index}"
    memory = raw["spec"]["containers"][container.index]["resources"]["limits"]["memory"]
    value = format_bytes(action.limit_to)
    patch: list[Object] = [
        {"op": "test", "path": "/metadata/uid", "value": raw["metadata"]["uid"]},
        {"op": "test", "path": f"{base}/name", "value": action.container},
        {"op": "test", "path": f"{base}/resources/limits/memory", "value": memory},
        {"op": "replace", "path": f"{base}/resources/limits/memory", "value": value},
    ]
    if container.memory_request == container.memory_limit:
        patch.append({"op": "add", "path": f"{base}/resources/requests/memory", "value": value})
    return patch
