"""A workload's revisions: its controller's and our own snapshots, with what is known of the health of each.

Snapshots are ControllerRevisions without an owner, so that they outlive a Deployment that is deleted and re-created.
"""

from collections.abc import Iterable
from datetime import datetime

from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.selectors import matches, selector_of
from prunella_operator.kubernetes.times import parse_annotation_time, parse_time
from prunella_operator.kubernetes.views import templates
from prunella_operator.kubernetes.views.pod_demands import pod_demands
from prunella_operator.kubernetes.views.template_digest import release_digest
from prunella_operator.kubernetes.views.workloads import workload_key
from prunella_workflows.decisions.diagnosis.symptoms import find_symptoms
from prunella_workflows.model import labels
from prunella_workflows.model.workload import PodView, RevisionRef, RevisionView, WorkloadRef, WorkloadView

KNOWN_GOOD = "known-good"
BEFORE = "before-repair"
SNAPSHOTS = f"app.kubernetes.io/managed-by=prunella,{labels.SNAPSHOT}"
"""The label selector of all snapshots."""


def snapshot_selector(ref: WorkloadRef) -> str:
    """The label selector of a workload's snapshots."""
    return f"{labels.WORKLOAD}={workload_key(ref)}"


def snapshot(workload: Object, ref: WorkloadRef, why: str, good_at: datetime | None = None) -> Object:
    """A ControllerRevision with the workload's template. It is named by its content, so creating it is idempotent."""
    template = templates.template_of(workload)
    annotations = {labels.GOOD_AT: good_at.isoformat()} if good_at else {}
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": f"{ref.name[:200].rstrip('.-')}-prunella-{templates.template_hash(template)}",
            "labels": {
                labels.WORKLOAD: workload_key(ref),
                labels.SNAPSHOT: why,
                "app.kubernetes.io/managed-by": "prunella",
            },
            "annotations": annotations,
        },
        "revision": workload["metadata"].get("generation", 0),
        "data": {"template": template},
    }


def revision_views(
    raw: Object,
    workload: WorkloadView,
    history: Iterable[Object],
    snapshots: Iterable[Object],
    *,
    pods: tuple[PodView, ...],
    stable_before: datetime,
) -> tuple[RevisionView, ...]:
    """All templates of a workload, newest first, each once. They are good by a snapshot, or by pods that serve.

    Pods of an older revision that have been ready since before `stable_before` prove their revision good.
    """
    current, selector = workload.template_hash, selector_of(raw)
    snapshot_by_hash = {templates.template_hash(_snapshot_template(kept)): kept for kept in snapshots}
    views: dict[str, RevisionView] = {}
    for digest, revision in _newest_by_hash(history).items():
        serving = digest != current and _is_serving(templates.revision_label(revision), pods, stable_before)
        good_at = _good_at(snapshot_by_hash.get(digest)) or (stable_before if serving else None)
        view = _revision_view(revision, templates.template_of(revision), selector, digest, _source(revision))
        views[digest] = view.model_copy(update={"number": templates.revision_number(revision), "good_at": good_at})
    for digest, kept in snapshot_by_hash.items():
        if digest not in views:
            view = _revision_view(kept, _snapshot_template(kept), selector, digest, "Snapshot")
            views[digest] = view.model_copy(update={"good_at": _good_at(kept)})
    return tuple(
        view.model_copy(update={"current": digest == current, "good_since": _good_since(snapshot_by_hash.get(digest))})
        for digest, view in views.items()
    )


def _newest_by_hash(history: Iterable[Object]) -> dict[str, Object]:
    newest: dict[str, Object] = {}
    for revision in sorted(history, key=templates.revision_number, reverse=True):
        newest.setdefault(templates.template_hash(templates.template_of(revision)), revision)
    return newest


def _revision_view(raw: Object, template: Object, selector: Object, digest: str, source: str) -> RevisionView:
    """The view of one template. It is compatible if the workload's selector still matches its labels."""
    views = templates.container_views(template)
    return RevisionView(
        ref=RevisionRef(source=source, name=raw["metadata"]["name"], template_hash=digest),
        created_at=parse_time(raw["metadata"].get("creationTimestamp")),
        images=tuple(view.image for view in views if not view.init),
        memory_limits={view.name: view.memory_limit for view in views if view.memory_limit is not None},
        demands=pod_demands(template),
        content=release_digest(template),
        compatible=matches(selector, (template.get("metadata") or {}).get("labels") or {}),
    )


def _source(revision: Object) -> str:
    return "ControllerRevision" if "data" in revision else "ReplicaSet"


def _is_serving(label: str, pods: tuple[PodView, ...], stable_before: datetime) -> bool:
    own = tuple(pod for pod in pods if pod.revision == label and pod.live)
    ready = all(pod.ready and pod.ready_since is not None and pod.ready_since < stable_before for pod in own)
    return bool(own) and ready and not find_symptoms(own)  # a pod that crashed and runs again proves nothing


def _good_at(kept: Object | None) -> datetime | None:
    return parse_annotation_time(((kept or {}).get("metadata", {}).get("annotations") or {}).get(labels.GOOD_AT))


def _good_since(kept: Object | None) -> datetime | None:
    """The creation of a good snapshot. One taken before a repair may have been found good only later."""
    return parse_time(kept["metadata"].get("creationTimestamp")) if kept and _good_at(kept) else None


def _snapshot_template(kept: Object) -> Object:
    return (kept.get("data") or {}).get("template") or {}
