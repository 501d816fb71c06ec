"""A workload's revisions: its controller's and our own snapshots, with what is known of the health of each.

Snapshots are ControllerRevisions without an owner, so that they outlive a Deployment that is deleted and re-created.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.selectors import matches, selector_of
from prunella_operator.kubernetes.times import parse_annotation_seconds, parse_annotation_time, parse_time
from prunella_operator.kubernetes.views import templates
from prunella_operator.kubernetes.views.pod_demands import pod_demands
from prunella_operator.kubernetes.views.template_digest import release_digest
from prunella_operator.kubernetes.views.workloads import workload_key
from prunella_workflows.decisions.diagnosis.symptoms import find_symptoms
from prunella_workflows.model import labels
from prunella_workflows.model.image import split_image
from prunella_workflows.model.workload import (
    ContainerView,
    PodView,
    RevisionRef,
    RevisionView,
    WorkloadRef,
    WorkloadView,
)

KNOWN_GOOD = "known-good"
READY = "ready"
BEFORE = "before-repair"
MIN_READY = timedelta(seconds=10)
"""Shorter than that, every program that crashes late looks ready."""
SNAPSHOTS = f"app.kubernetes.io/managed-by=prunella,{labels.SNAPSHOT}"
"""The label selector of all snapshots."""


def snapshot_selector(ref: WorkloadRef) -> str:
    """The label selector of a workload's snapshots."""
    return f"{labels.WORKLOAD}={workload_key(ref)}"


def snapshot(
    workload: Object, ref: WorkloadRef, why: str, good_at: datetime | None = None, ready_for: float | None = None
) -> Object:
    """A ControllerRevision with the workload's template. It is named by its content, so creating it is idempotent."""
    template = templates.template_of(workload)
    annotations = {labels.WORKLOAD_UID: workload["metadata"].get("uid", ref.uid)}
    annotations |= {labels.GOOD_AT: good_at.isoformat()} if good_at else {}
    annotations |= {labels.READY_FOR: f"{ready_for:.0f}"} if ready_for is not None else {}
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
    read_at: datetime,
    soak: timedelta,
) -> tuple[RevisionView, ...]:
    """All templates of a workload, newest first, each once. They are good by a snapshot, or by pods that serve.

    Most pods of an older revision must have been ready for the soak time to prove it good; less is only a hint.
    """
    current, selector = workload.template_hash, selector_of(raw)
    snapshot_by_hash = {templates.template_hash(_snapshot_template(kept)): kept for kept in snapshots}
    views: dict[str, RevisionView] = {}
    for digest, revision in _newest_by_hash(history).items():
        label = templates.revision_label(revision)
        served = _served_for(label, pods, read_at) if digest != current else None
        view = _revision_view(revision, templates.template_of(revision), selector, digest, _source(revision))
        known = {"number": templates.revision_number(revision), **_health(snapshot_by_hash.get(digest))}
        views[digest] = view.model_copy(update=_with_service(known, served, soak, read_at))
    for digest, kept in snapshot_by_hash.items():
        if digest not in views:
            view = _revision_view(kept, _snapshot_template(kept), selector, digest, "Snapshot")
            views[digest] = view.model_copy(update={**_health(kept), **_descent(kept, raw, compatible=view.compatible)})
    return tuple(view.model_copy(update={"current": digest == current}) for digest, view in views.items())


def _health(kept: Object | None) -> dict[str, Any]:
    """The facts that a snapshot tells of a revision. One taken before a repair may have been found good only later."""
    if kept is None:
        return {}
    if good_at := _good_at(kept):
        return {"good_at": good_at, "good_since": parse_time(kept["metadata"].get("creationTimestamp"))}
    return {"ready_for": parse_annotation_seconds(_annotations(kept).get(labels.READY_FOR))}


def _with_service(
    known: dict[str, Any], served: timedelta | None, soak: timedelta, read_at: datetime
) -> dict[str, Any]:
    """The facts known of a revision, with those proved by pods that have been ready for this time."""
    if served is None or known.get("good_at"):
        return known
    if served > soak:
        return {**known, "good_at": read_at - soak}
    return {**known, "ready_for": served.total_seconds()} if served >= MIN_READY else known


def _descent(kept: Object, raw: Object, *, compatible: bool) -> dict[str, Any]:
    """The relation of a snapshot to the workload. One of a deleted namesake must be of the same program."""
    uid = _annotations(kept).get(labels.WORKLOAD_UID, "")
    inherited = uid not in ("", raw["metadata"].get("uid", ""))
    same = not inherited or _is_same_program(_snapshot_template(kept), templates.template_of(raw))
    return {"inherited": inherited, "compatible": compatible and same}


def _is_same_program(one: Object, other: Object) -> bool:
    """Report whether the images of one template are those of the other, but for tags and additional containers."""
    first, second = ({split_image(view.image).repository for view in _programs(template)} for template in (one, other))
    return first <= second or second <= first


def _programs(template: Object) -> list[ContainerView]:
    return [view for view in templates.container_views(template) if not view.init]


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


def _served_for(label: str, pods: tuple[PodView, ...], read_at: datetime) -> timedelta | None:
    """The time for which most pods of a revision have been ready. A pod that crashed and runs again proves nothing."""
    own = [pod for pod in pods if pod.revision == label and pod.live]
    since = sorted(pod.ready_since for pod in own if pod.ready and pod.ready_since and not find_symptoms((pod,)))
    return read_at - since[len(own) // 2] if 2 * len(since) > len(own) else None


def _good_at(kept: Object) -> datetime | None:
    return parse_annotation_time(_annotations(kept).get(labels.GOOD_AT))


def _annotations(kept: Object) -> dict[str, str]:
    return kept["metadata"].get("annotations") or {}


def _snapshot_template(kept: Object) -> Object:
    return (kept.get("data") or {}).get("template") or {}
