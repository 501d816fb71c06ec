"""A Deployment's revisions: its ReplicaSets and our own snapshots, with what is known of each one's health.

Snapshots are ControllerRevisions without an owner, so that they outlive a Deployment that is deleted and made anew.
"""

from collections.abc import Iterable
from datetime import datetime

from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.selectors import selector_of
from prunella_operator.kubernetes.views.template_digest import content_of
from prunella_operator.kubernetes.views.workloads import (
    noted_time,
    pods_label,
    revision_number,
    revision_view,
    template_hash,
    template_of,
    time_of,
    workload_key,
)
from prunella_workflows.decisions.diagnosis.symptoms import symptoms
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
    """The ControllerRevision that keeps a workload's template. Its name is its content, so making it twice is once."""
    template = template_of(workload)
    annotations = {labels.GOOD_AT: good_at.isoformat()} if good_at else {}
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": f"{ref.name[:200].rstrip('.-')}-prunella-{template_hash(template)}",
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


def revisions(
    raw: Object,
    workload: WorkloadView,
    history: Iterable[Object],
    snapshots: Iterable[Object],
    *,
    pods: tuple[PodView, ...],
    stable_before: datetime,
) -> tuple[RevisionView, ...]:
    """All templates a workload has had, newest first, each once; good_at from snapshots and from pods that serve.

    Pods of an older revision that have been ready since before `stable_before` prove their revision good.
    """
    selector = selector_of(raw)
    kept = {template_hash(_data(one)): one for one in snapshots}
    views: dict[str, RevisionView] = {}
    for one in sorted(history, key=revision_number, reverse=True):
        template = template_of(one)
        digest = template_hash(template)
        if digest in views:
            continue
        serving = digest != workload.template_hash and _serving(pods_label(one), pods, stable_before)
        views[digest] = revision_view(
            RevisionRef(source=_source(one), name=one["metadata"]["name"], template_hash=digest),
            template,
            selector,
            number=revision_number(one),
            created_at=time_of(one["metadata"].get("creationTimestamp")),
            current=digest == workload.template_hash,
            good_at=_good_at(kept.get(digest)) or (stable_before if serving else None),
            good_since=_good_since(kept.get(digest)),
            content=content_of(template),
        )
    for digest, one in kept.items():
        if digest not in views:
            views[digest] = revision_view(
                RevisionRef(source="Snapshot", name=one["metadata"]["name"], template_hash=digest),
                _data(one),
                selector,
                created_at=time_of(one["metadata"].get("creationTimestamp")),
                current=digest == workload.template_hash,
                good_at=_good_at(one),
                good_since=_good_since(one),
                content=content_of(_data(one)),
            )
    return tuple(views.values())


def _source(revision: Object) -> str:
    return "ControllerRevision" if "data" in revision else "ReplicaSet"


def _serving(label: str, pods: tuple[PodView, ...], stable_before: datetime) -> bool:
    mine = tuple(pod for pod in pods if pod.revision == label and pod.live)
    ready = all(pod.ready and pod.ready_since is not None and pod.ready_since < stable_before for pod in mine)
    return bool(mine) and ready and not symptoms(mine)  # one that crashed and runs again proves nothing


def _good_at(snapshot: Object | None) -> datetime | None:
    return noted_time(((snapshot or {}).get("metadata", {}).get("annotations") or {}).get(labels.GOOD_AT))


def _good_since(snapshot: Object | None) -> datetime | None:
    """When it was kept, at the latest: a template that was kept for another reason may have been found good later."""
    return time_of(snapshot["metadata"].get("creationTimestamp")) if snapshot and _good_at(snapshot) else None


def _data(snapshot: Object) -> Object:
    template: Object = (snapshot.get("data") or {}).get("template") or {}
    return template
