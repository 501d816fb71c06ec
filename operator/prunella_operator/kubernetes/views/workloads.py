"""Views of workloads, and owners of objects. Views are lenient about missing fields and never guess."""

import hashlib
from collections.abc import Container, Iterable

from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.times import parse_time
from prunella_operator.kubernetes.views import templates
from prunella_operator.kubernetes.views.ownership import (
    custom_owners,
    field_appliers,
    field_owners,
    tool_annotations,
)
from prunella_operator.kubernetes.views.probes import probe_hosts, start_budget
from prunella_operator.kubernetes.views.scaling import strategy_view
from prunella_workflows.model.labels import IGNORE, LAST_ACTION
from prunella_workflows.model.redaction import redact
from prunella_workflows.model.signal import OwnerRef
from prunella_workflows.model.workload import WorkloadRef, WorkloadView

_KNOWN_OWNERS = {
    "apps": frozenset({"ReplicaSet", "Deployment", "StatefulSet", "DaemonSet"}),
    "batch": frozenset({"Job", "CronJob"}),
}


def controlled_by(owners: Container[str], objects: Iterable[Object]) -> list[Object]:
    """The objects that one of these owners controls, by uid: labels alone prove nothing."""
    return [item for item in objects if (owner := controller_of(item)) is not None and owner.uid in owners]


def controller_of(raw: Object) -> OwnerRef | None:
    """The owner that controls an object, if any."""
    owners = raw["metadata"].get("ownerReferences") or ()
    return next((OwnerRef.model_validate(owner) for owner in owners if owner.get("controller")), None)


def is_workload(owner: OwnerRef) -> bool:
    """True for a known kind, by group and name: a StatefulSet of another API group cannot be read."""
    return owner.kind in _KNOWN_OWNERS.get(owner.group, frozenset())


def is_ignored(raw: Object) -> bool:
    """True when the object, or its pod template, opted out of Prunella by a label or annotation."""
    metas = (raw["metadata"], templates.template_of(raw).get("metadata") or {})
    return any((meta.get(kind) or {}).get(IGNORE) == "true" for meta in metas for kind in ("labels", "annotations"))


def workload_key(ref: WorkloadRef) -> str:
    """A label value that identifies a workload by kind and name, and so survives its re-creation."""
    return hashlib.sha256(f"{ref.kind}/{ref.name}".encode()).hexdigest()[:20]


def workload_view(raw: Object, revisions: Iterable[Object] = ()) -> WorkloadView:
    """The view of a workload of any kind. `revisions` are its ReplicaSets or ControllerRevisions."""
    meta, spec, status = raw["metadata"], raw.get("spec") or {}, raw.get("status") or {}
    template = templates.template_of(raw)
    annotations = meta.get("annotations") or {}
    conditions = {condition.get("type"): condition for condition in status.get("conditions") or ()}
    progressing, available = conditions.get("Progressing", {}), conditions.get("Available", {})
    overdue = progressing.get("reason") == "ProgressDeadlineExceeded"
    failure = conditions.get("ReplicaFailure", {})
    if failure.get("status") != "True":
        failure = {}
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
        annotations={**tool_annotations(annotations), **({IGNORE: "true"} if is_ignored(raw) else {})},
        custom_owners=custom_owners(meta),
        owners=field_owners(meta, replicas="replicas", template="template"),
        appliers=field_appliers(meta, replicas="replicas", template="template"),
        strategy=strategy_view(raw, replicas),
        deleting="deletionTimestamp" in meta,
        paused=bool(spec.get("paused")),
        replicas=replicas,
        updated_replicas=status.get("updatedReplicas", status.get("updatedNumberScheduled", 0)),
        ready_replicas=status.get("readyReplicas", status.get("numberReady", 0)),
        available_replicas=status.get("availableReplicas", status.get("numberAvailable", 0)),
        total_replicas=status.get("replicas", status.get("currentNumberScheduled", 0)),
        progress_deadline_exceeded=overdue,
        message=progressing.get("message", "") if overdue else _unavailable_message(available),
        create_failure=redact(str(failure.get("message", ""))),
        create_failed_since=parse_time(failure.get("lastTransitionTime")),
        deadline=float(spec.get("progressDeadlineSeconds", 600)),
        start_budget=start_budget(template) + float(spec.get("minReadySeconds", 0)),
        template_hash=templates.template_hash(template),
        revision=_current_revision(template, revisions),
        containers=templates.container_views(template),
        references=templates.references(template),
        probe_hosts=probe_hosts(template),
        last_action=annotations.get(LAST_ACTION, ""),
    )


def _replicas(raw: Object, spec: Object, status: Object) -> int:
    if raw["kind"] == "DaemonSet":
        return int(status.get("desiredNumberScheduled", 0))
    return int(spec.get("replicas", 1))


def _unavailable_message(available: Object) -> str:
    return str(available.get("message", "")) if available.get("status") == "False" else ""


def _current_revision(template: Object, revisions: Iterable[Object]) -> str:
    """The label value of pods of the newest revision that has exactly this template."""
    exact = _comparable(template)
    same = [revision for revision in revisions if _comparable(templates.template_of(revision)) == exact]
    newest = max(same, key=templates.revision_number, default=None)
    return templates.revision_label(newest) if newest else ""


def _comparable(template: Object) -> Object:
    """The template as its controller compares it: unlike `normalize`, with the time of a restart."""
    meta = template.get("metadata") or {}
    return {
        "labels": {k: v for k, v in (meta.get("labels") or {}).items() if k != templates.POD_TEMPLATE_HASH},
        "annotations": meta.get("annotations") or {},
        "spec": templates.with_plain_resources(template.get("spec") or {}),
    }
