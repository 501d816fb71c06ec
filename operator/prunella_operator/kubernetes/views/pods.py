"""Views of pods: conditions, container statuses and terminations, from the raw object."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.times import parse_time
from prunella_operator.kubernetes.views.templates import container_views, memory_limit, pod_revision
from prunella_operator.kubernetes.views.workloads import controller_of
from prunella_workflows.model.redaction import redact
from prunella_workflows.model.workload import ContainerStatusView, PodView, Termination

_START_TOLERANCE = timedelta(seconds=5)
_EVICTED = "Evicted"
_ENDED = "its kubelet ended it"
_REPLACING_OWNERS = frozenset({"ReplicaSet", "StatefulSet", "DaemonSet", "ReplicationController"})


def pod_view(raw: Object) -> PodView:
    """The view of a pod."""
    meta, status, spec = raw["metadata"], raw.get("status") or {}, raw.get("spec") or {}
    conditions = {condition.get("type"): condition for condition in status.get("conditions") or ()}
    ready, scheduled = conditions.get("Ready", {}), conditions.get("PodScheduled", {})
    containers = container_views({"spec": spec})
    return PodView(
        name=meta["name"],
        uid=meta["uid"],
        created_at=parse_time(meta.get("creationTimestamp")),
        deleting="deletionTimestamp" in meta,
        phase=status.get("phase", ""),
        ready=ready.get("status") == "True",
        ready_since=parse_time(ready.get("lastTransitionTime")) if ready.get("status") == "True" else None,
        unready_since=None if _is_all_ready(status) else _unready_since(ready, parse_time(status.get("startTime"))),
        unschedulable=scheduled.get("message", "Unschedulable") if scheduled.get("status") == "False" else "",
        revision=pod_revision(meta.get("labels") or {}),
        node=spec.get("nodeName", ""),
        node_lost=_is_node_lost(status, ready),
        failed=_is_failed(raw),
        evicted=(evicted := _eviction(raw)),
        evicted_at=_ended_at(status, ready) if evicted else None,
        containers=tuple(_status_view(container, init=init) for container, init in _statuses(status)),
        memory_limits={view.name: view.memory_limit for view in containers if view.memory_limit is not None},
        memory_limit=memory_limit(spec),
        resizing="PodResizeInProgress" in conditions,
        resize_refused=_resize_error(conditions),
    )


def stable_since(pods: Sequence[PodView]) -> datetime | None:
    """The time of the last thing that happened to these pods; None unless all are ready."""
    ready = [pod.ready_since if pod.ready else None for pod in pods]
    ends = [end.finished_at for pod in pods for container in pod.containers for end in container.terminations]
    if not ready or None in ready:
        return None
    return max(at for at in (*ready, *ends) if at is not None)


def _statuses(status: Object) -> Iterator[tuple[Object, bool]]:
    """All container statuses, init containers first, each with whether it is an init container."""
    for key in ("initContainerStatuses", "containerStatuses"):
        yield from ((container, key == "initContainerStatuses") for container in status.get(key) or ())


def _resize_error(conditions: Mapping[str, Object]) -> str:
    """The kubelet's message about a resize that it defers, rejects or failed to apply."""
    pending, resizing = conditions.get("PodResizePending", {}), conditions.get("PodResizeInProgress", {})
    condition = pending or (resizing if resizing.get("reason") == "Error" else {})
    return f"{condition.get('reason', '')}: {condition.get('message', '')}" if condition else ""


def _is_all_ready(status: Object) -> bool:
    """True when the kubelet last reported every container ready; init containers are ready when they are done."""
    return all(container.get("ready") for container, _ in _statuses(status))


def _is_node_lost(status: Object, ready: Object) -> bool:
    """True when the control plane set a pod unready that the kubelet last reported ready, so the kubelet is silent."""
    gated = ready.get("reason") == "ReadinessGatesNotReady"  # looks the same otherwise
    was_ready = bool(status.get("containerStatuses")) and _is_all_ready(status)
    return status.get("phase") == "Running" and ready.get("status") in ("False", "Unknown") and was_ready and not gated


def _eviction(raw: Object) -> str:
    """Why the kubelet evicted a pod; "" if it did not.

    The eviction leaves no reason if the program exits with code 0: then a pod that is always restarted has succeeded.
    """
    status, spec = raw.get("status") or {}, raw.get("spec") or {}
    if status.get("reason") == _EVICTED:
        return str(status.get("message", ""))
    succeeded = status.get("phase") == "Succeeded" and spec.get("restartPolicy") == "Always"
    return _ENDED if succeeded and "deletionTimestamp" not in raw["metadata"] else ""


def _ended_at(status: Object, ready: Object) -> datetime | None:
    """The time at which a pod lost its readiness, or its last container ended."""
    ends = [status_view.terminated for status_view in (_status_view(raw, init=init) for raw, init in _statuses(status))]
    times = [end.finished_at for end in ends if end is not None and end.finished_at is not None]
    unready = parse_time(ready.get("lastTransitionTime"))
    return max([*times, *([unready] if unready else [])], default=None)


def _is_failed(raw: Object) -> bool:
    """True for a pod that failed and stays. Evicted pods have a reason, and most controllers replace failed pods."""
    status, owner = raw.get("status") or {}, controller_of(raw)
    replaced = owner is not None and owner.kind in _REPLACING_OWNERS
    return status.get("phase") == "Failed" and not status.get("reason") and not replaced


def _unready_since(ready: Object, started: datetime | None) -> datetime | None:
    """The time at which a ready pod became unready. A pod that was never ready got its condition right at its start."""
    since = parse_time(ready.get("lastTransitionTime"))
    if ready.get("status") != "False" or since is None or started is None or since - started < _START_TOLERANCE:
        return None
    return since


def _status_view(raw: Object, *, init: bool) -> ContainerStatusView:
    state, last = raw.get("state") or {}, raw.get("lastState") or {}
    waiting, running = state.get("waiting") or {}, state.get("running") or {}
    return ContainerStatusView(
        name=raw["name"],
        init=init,
        ready=bool(raw.get("ready")),
        restarts=raw.get("restartCount", 0),
        waiting=waiting.get("reason", ""),
        message=redact(waiting.get("message", "")),  # may quote the command
        running_since=parse_time(running.get("startedAt")),
        terminated=_termination(state.get("terminated")),
        last=_termination(last.get("terminated")),
    )


def _termination(raw: Object | None) -> Termination | None:
    if not raw:
        return None
    return Termination(
        reason=raw.get("reason", ""),
        exit_code=raw.get("exitCode", 0),
        message=redact(raw.get("message", "")),  # written by the program
        started_at=parse_time(raw.get("startedAt")),
        finished_at=parse_time(raw.get("finishedAt")),
    )
