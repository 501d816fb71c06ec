"""Raw objects to views: with views_* the only place that reads raw keys. Tolerant of gaps, never guessing."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.selectors import matches
from prunella_operator.kubernetes.views.ownership import marks, owners
from prunella_operator.kubernetes.views.probes import start_budget
from prunella_operator.kubernetes.views.scaling import strategy_view
from prunella_workflows.model.labels import IGNORE, LAST_ACTION
from prunella_workflows.model.quantity import parse_bytes, parse_quantity
from prunella_workflows.model.redaction import redact
from prunella_workflows.model.signal import OwnerRef
from prunella_workflows.model.workload import (
    ContainerStatusView,
    ContainerView,
    PodView,
    RevisionRef,
    RevisionView,
    Termination,
    WorkloadRef,
    WorkloadView,
)

POD_TEMPLATE_HASH = "pod-template-hash"
REVISION_HASH = "controller-revision-hash"
REVISION = "deployment.kubernetes.io/revision"
STARTING = timedelta(seconds=5)
_REPLACING = frozenset({"ReplicaSet", "StatefulSet", "DaemonSet", "ReplicationController"})
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"

_KNOWN_OWNERS = {
    "apps": frozenset({"ReplicaSet", "Deployment", "StatefulSet", "DaemonSet"}),
    "batch": frozenset({"Job", "CronJob"}),
}


def controller_of(raw: Object) -> OwnerRef | None:
    """The owner that controls an object, if any."""
    owners = raw["metadata"].get("ownerReferences") or ()
    return next((OwnerRef.model_validate(owner) for owner in owners if owner.get("controller")), None)


def is_workload(owner: OwnerRef) -> bool:
    """Whether an owner is of a kind we know, by group and name: another group's StatefulSet is not ours to read."""
    return owner.kind in _KNOWN_OWNERS.get(owner.api_version.partition("/")[0], frozenset())


def ignored(raw: Object) -> bool:
    """Whether an object's owner asked Prunella to leave it alone, or all the pods that it makes."""
    metas = (raw["metadata"], template_of(raw).get("metadata") or {})
    return any((meta.get(kind) or {}).get(IGNORE) == "true" for meta in metas for kind in ("labels", "annotations"))


def normalised(template: Object) -> Object:
    """A pod template without what a rollout or a restart adds: two releases are equal when these are."""
    meta = template.get("metadata") or {}
    labels = {key: value for key, value in (meta.get("labels") or {}).items() if key != POD_TEMPLATE_HASH}
    annotations = {key: value for key, value in (meta.get("annotations") or {}).items() if key != RESTARTED_AT}
    kept = {"labels": labels} | ({"annotations": annotations} if annotations else {})
    return {"metadata": kept, "spec": template.get("spec") or {}}


def template_hash(template: Object) -> str:
    """A short hash of a normalised template (64 bits of SHA-256)."""
    kept = normalised(template)
    text = json.dumps({**kept, "spec": _by_value(kept["spec"])}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _by_value(spec: Object) -> Object:
    """A pod spec whose resources are plain numbers: to Kubernetes 64Mi and 67108864 are the same template."""
    kinds = {key: spec[key] for key in ("initContainers", "containers") if spec.get(key)}
    return {**spec, **{key: [_numbers_in(one) for one in found] for key, found in kinds.items()}}


def _numbers_in(container: Object) -> Object:
    resources = container.get("resources") or {}
    lists = {key: resources[key] for key in ("limits", "requests") if resources.get(key)}
    numbers = {key: {name: _number(value) for name, value in found.items()} for key, found in lists.items()}
    return {**container, "resources": {**resources, **numbers}}


def _number(quantity: Any) -> str:
    try:
        return str(parse_quantity(str(quantity)).normalize())
    except ValueError:
        return str(quantity)


def workload_key(ref: WorkloadRef) -> str:
    """The label value that stands for a workload by kind and name: it survives the object's re-creation."""
    return hashlib.sha256(f"{ref.kind}/{ref.name}".encode()).hexdigest()[:20]


def time_of(text: str | None) -> datetime | None:
    """An RFC 3339 time."""
    return datetime.fromisoformat(text) if text else None


def noted_time(text: object) -> datetime | None:
    """A time that an annotation tells; None for nonsense, and for one without a zone, which compares with no other."""
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None


def template_of(raw: Object) -> Object:
    """The pod template of a workload or of a revision in its history; a bare pod is its own."""
    if "data" in raw:  # a ControllerRevision of a StatefulSet or DaemonSet (items of a list do not say their kind)
        return ((raw["data"] or {}).get("spec") or {}).get("template") or {}
    if raw.get("kind") == "Pod":
        return {"metadata": {"labels": raw["metadata"].get("labels") or {}}, "spec": raw.get("spec") or {}}
    spec = raw.get("spec") or {}
    if raw.get("kind") == "CronJob":
        spec = spec.get("jobTemplate", {}).get("spec", {})
    return spec.get("template") or {}


def workload_view(raw: Object, revisions: Iterable[Object] = ()) -> WorkloadView:
    """A workload of any kind, with the revisions of its history (ReplicaSets or ControllerRevisions)."""
    meta, spec, status = raw["metadata"], raw.get("spec") or {}, raw.get("status") or {}
    template = template_of(raw)
    annotations = meta.get("annotations") or {}
    conditions = {condition.get("type"): condition for condition in status.get("conditions") or ()}
    progressing, available = conditions.get("Progressing", {}), conditions.get("Available", {})
    late = progressing.get("reason") == "ProgressDeadlineExceeded"
    refused = conditions.get("ReplicaFailure", {})
    replicas = _replicas(raw, spec, status)
    return WorkloadView(
        ref=WorkloadRef(
            api_version=raw.get("apiVersion", "apps/v1"),
            kind=raw["kind"],
            namespace=meta["namespace"],
            name=meta["name"],
            uid=meta["uid"],
        ),
        generation=meta.get("generation", 0),
        observed_generation=status.get("observedGeneration", 0),
        labels=meta.get("labels") or {},
        annotations={**marks(annotations), **({IGNORE: "true"} if ignored(raw) else {})},
        owners=owners(meta, replicas="replicas", template="template"),
        strategy=strategy_view(raw, replicas),
        deleting="deletionTimestamp" in meta,
        paused=bool(spec.get("paused")),
        replicas=replicas,
        updated_replicas=status.get("updatedReplicas", status.get("updatedNumberScheduled", 0)),
        ready_replicas=status.get("readyReplicas", status.get("numberReady", 0)),
        available_replicas=status.get("availableReplicas", status.get("numberAvailable", 0)),
        total_replicas=status.get("replicas", status.get("currentNumberScheduled", 0)),
        progress_deadline_exceeded=late,
        message=progressing.get("message", "") if late else _unavailable(available),
        create_failure=str(refused.get("message", "")) if refused.get("status") == "True" else "",
        create_failed_since=time_of(refused.get("lastTransitionTime")) if refused.get("status") == "True" else None,
        deadline=float(spec.get("progressDeadlineSeconds", 600)),
        start_budget=start_budget(template) + float(spec.get("minReadySeconds", 0)),
        template_hash=template_hash(template),
        revision=_revision(template, revisions),
        containers=container_views(template),
        last_action=annotations.get(LAST_ACTION, ""),
    )


def _replicas(raw: Object, spec: Object, status: Object) -> int:
    if raw["kind"] == "DaemonSet":
        return int(status.get("desiredNumberScheduled", 0))
    return int(spec.get("replicas", 1))


def _unavailable(available: Object) -> str:
    return str(available.get("message", "")) if available.get("status") == "False" else ""


def _revision(template: Object, revisions: Iterable[Object]) -> str:
    """The pods' label of the revision that bears exactly this template."""
    exact = _exact(template)
    same = [revision for revision in revisions if _exact(template_of(revision)) == exact]
    newest = max(same, key=revision_number, default=None)
    return pods_label(newest) if newest else ""


def pods_label(revision: Object) -> str:
    """The value by which pods name their revision: a hash label, or the revision's own name (StatefulSets)."""
    labels = revision["metadata"].get("labels") or {}
    return str(labels.get(POD_TEMPLATE_HASH) or labels.get(REVISION_HASH) or revision["metadata"]["name"])


def _exact(template: Object) -> Object:
    meta = template.get("metadata") or {}
    labels = {key: value for key, value in (meta.get("labels") or {}).items() if key != POD_TEMPLATE_HASH}
    return {
        "labels": labels,
        "annotations": meta.get("annotations") or {},
        "spec": _by_value(template.get("spec") or {}),
    }


_DIGITS = 19  # of a number of 64 bits; Python reads no text of some thousand


def revision_number(revision: Object) -> int:
    """The controller's number of a revision: newer is larger."""
    noted = str((revision["metadata"].get("annotations") or {}).get(REVISION, ""))
    return int(revision.get("revision") or (noted if noted.isdecimal() and len(noted) < _DIGITS else 0))


def container_views(template: Object) -> tuple[ContainerView, ...]:
    """All containers of a template, init containers first."""
    spec = template.get("spec") or {}
    return tuple(
        _container(raw, index, init=init)
        for init, key in ((True, "initContainers"), (False, "containers"))
        for index, raw in enumerate(spec.get(key) or ())
    )


def _container(raw: Object, index: int, *, init: bool) -> ContainerView:
    resources = raw.get("resources") or {}
    return ContainerView(
        name=raw["name"],
        index=index,
        init=init,
        image=raw.get("image", ""),
        memory_request=_memory(resources.get("requests")),
        memory_limit=_memory(resources.get("limits")),
        cpu_request=_cpu(resources.get("requests")),
        cpu_limit=_cpu(resources.get("limits")),
        environment=tuple(str(one.get("name", "")) for one in raw.get("env") or ()),
    )


def _memory(resources: Object | None) -> int | None:
    value = (resources or {}).get("memory")
    return parse_bytes(str(value)) if value is not None else None


def _cpu(resources: Object | None) -> float | None:
    value = (resources or {}).get("cpu")
    return float(parse_quantity(str(value))) if value is not None else None


def pod_view(raw: Object) -> PodView:
    """A pod's status."""
    meta, status = raw["metadata"], raw.get("status") or {}
    conditions = {condition.get("type"): condition for condition in status.get("conditions") or ()}
    ready, scheduled = conditions.get("Ready", {}), conditions.get("PodScheduled", {})
    return PodView(
        name=meta["name"],
        uid=meta["uid"],
        created_at=time_of(meta.get("creationTimestamp")),
        deleting="deletionTimestamp" in meta,
        phase=status.get("phase", ""),
        ready=ready.get("status") == "True",
        ready_since=time_of(ready.get("lastTransitionTime")) if ready.get("status") == "True" else None,
        unready_since=None if _all_ready(status) else _unready_since(ready, time_of(status.get("startTime"))),
        unschedulable=scheduled.get("message", "Unschedulable") if scheduled.get("status") == "False" else "",
        revision=pod_revision(meta.get("labels") or {}),
        node=(raw.get("spec") or {}).get("nodeName", ""),
        node_lost=_node_lost(status, ready),
        failed=_failed(raw),
        containers=tuple(
            _status(one, init=init)
            for init, key in ((True, "initContainerStatuses"), (False, "containerStatuses"))
            for one in status.get(key) or ()
        ),
        memory_limits={
            view.name: view.memory_limit
            for view in container_views({"spec": raw.get("spec") or {}})
            if view.memory_limit is not None
        },
        resizing="PodResizeInProgress" in conditions,
        resize_refused=_resize_refused(conditions),
    )


def _resize_refused(conditions: Mapping[str, Object]) -> str:
    """The kubelet's words on a resize that it does not make, or could not make."""
    pending, trying = conditions.get("PodResizePending", {}), conditions.get("PodResizeInProgress", {})
    found = pending or (trying if trying.get("reason") == "Error" else {})
    return f"{found.get('reason', '')}: {found.get('message', '')}" if found else ""


def _all_ready(status: Object) -> bool:
    """Whether the kubelet's last word on every container was "ready".

    Of a native sidecar too, and of other init containers that means that they are done.
    """
    found = [one for key in ("initContainerStatuses", "containerStatuses") for one in status.get(key) or ()]
    return all(one.get("ready") for one in found)


def _node_lost(status: Object, ready: Object) -> bool:
    """Whether the control plane says "not ready" of a pod that its kubelet said is: no word has come from there since.

    A readiness gate looks the same, but says so.
    """
    gated = ready.get("reason") == "ReadinessGatesNotReady"
    said = bool(status.get("containerStatuses")) and _all_ready(status)
    return status.get("phase") == "Running" and ready.get("status") in ("False", "Unknown") and said and not gated


def _failed(raw: Object) -> bool:
    """Whether a pod ended in failure and stays: evicted ones have a reason, and most controllers replace theirs."""
    status, owner = raw.get("status") or {}, controller_of(raw)
    replaced = owner is not None and owner.kind in _REPLACING
    return status.get("phase") == "Failed" and not status.get("reason") and not replaced


def _unready_since(ready: Object, started: datetime | None) -> datetime | None:
    """Since when a pod that was ready is not. One that never was got its condition right at its start."""
    since = time_of(ready.get("lastTransitionTime"))
    if ready.get("status") != "False" or since is None or started is None or since - started < STARTING:
        return None
    return since


def pod_revision(labels: dict[str, str]) -> str:
    """The revision that a pod with these labels belongs to; "" for one that bears none."""
    return labels.get(POD_TEMPLATE_HASH) or labels.get(REVISION_HASH) or ""


def _status(raw: Object, *, init: bool) -> ContainerStatusView:
    state, last = raw.get("state") or {}, raw.get("lastState") or {}
    waiting, running = state.get("waiting") or {}, state.get("running") or {}
    return ContainerStatusView(
        name=raw["name"],
        init=init,
        ready=bool(raw.get("ready")),
        restarts=raw.get("restartCount", 0),
        waiting=waiting.get("reason", ""),
        message=waiting.get("message", ""),
        running_since=time_of(running.get("startedAt")),
        terminated=_termination(state.get("terminated")),
        last=_termination(last.get("terminated")),
    )


def _termination(raw: Object | None) -> Termination | None:
    if not raw:
        return None
    return Termination(
        reason=raw.get("reason", ""),
        exit_code=raw.get("exitCode", 0),
        message=redact(raw.get("message", "")),  # the program wrote it
        started_at=time_of(raw.get("startedAt")),
        finished_at=time_of(raw.get("finishedAt")),
    )


def revision_view(ref: RevisionRef, template: Object, selector: Object, **facts: Any) -> RevisionView:
    """A template of the history. It is compatible when the Deployment's selector still matches its labels."""
    labels = (template.get("metadata") or {}).get("labels") or {}
    containers = container_views(template)
    return RevisionView(
        ref=ref,
        images=tuple(container.image for container in containers if not container.init),
        memory_limits={
            container.name: container.memory_limit for container in containers if container.memory_limit is not None
        },
        resources=_resources(template),
        compatible=matches(selector, labels),
        **facts,
    )


def _resources(template: Object) -> str:
    """A digest of what the containers ask for."""
    spec = template.get("spec") or {}
    kinds = ("initContainers", "containers")
    found = [_numbers_in(one).get("resources") for key in kinds for one in spec.get(key) or ()]
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:16]
