"""Leftovers of Prunella in a cluster: annotations and labels on workloads and its own objects, snapshots, track
records, its Lease.
A finalizer with its name is removed, no matter who set it: Prunella sets none. What belongs to the users is kept:
incidents, policies, CRDs, and labels that opt in or out.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.track_records import NAMESPACE
from prunella_operator.kubernetes.views.revisions import SNAPSHOTS
from prunella_workflows.model import labels
from prunella_workflows.model.errors import NotFound

if TYPE_CHECKING:
    from prunella_operator.kubernetes.sync_client import SyncClient

_APPS = "/apis/apps/v1"
_KINDS = (
    ("Deployment", _APPS, "deployments"),
    ("StatefulSet", _APPS, "statefulsets"),
    ("DaemonSet", _APPS, "daemonsets"),
    ("HorizontalPodAutoscaler", "/apis/autoscaling/v2", "horizontalpodautoscalers"),
    ("Incident", paths.API, "incidents"),
    ("HealingPolicy", paths.API, "healingpolicies"),
)
_CLUSTER_KIND = ("ClusterHealingPolicy", paths.API, "clusterhealingpolicies")
_KEYS = {
    "annotations": {
        labels.LAST_ACTION,
        labels.LAST_ACTION_AT,
        labels.LAST_CHANGE,
        labels.BEFORE,
        labels.AFTER,
        labels.CAUSE_BEFORE,
        labels.REPAIR_SLOTS,
    },
    "labels": {labels.REPAIR_SLOT},
}


@dataclass(frozen=True)
class Leftover:
    """Something Prunella left behind. Without a patch the whole object is deleted."""

    object: str
    kinds: str
    path: str
    uid: str
    patch: Object | None = None

    def remove(self, cluster: "SyncClient") -> None:
        """Remove it, unless it is gone already. Raises PrunellaError, which is a Conflict when it has changed."""
        with suppress(NotFound):
            if self.patch is None:
                cluster.delete(self.path, self.uid)
            else:
                cluster.merge_patch(self.path, {"metadata": self.patch})


def find_leftovers(cluster: "SyncClient", namespaces: tuple[str, ...], lease: tuple[str, str]) -> Iterator[Leftover]:
    """All leftovers, in these namespaces or everywhere. `lease` is the namespace and name of the Lease."""
    scopes = [f"/namespaces/{namespace}" for namespace in namespaces] or [""]
    for kind in _KINDS if namespaces else (*_KINDS, _CLUSTER_KIND):
        for scope in scopes:
            yield from _find_keys(cluster, *kind, scope)
    for scope in scopes:
        yield from _find_snapshots(cluster, f"{_APPS}{scope}/controllerrevisions")
    yield from _find_records(cluster)
    yield from _find_lease(cluster, *lease)


def _find_keys(cluster: "SyncClient", kind: str, prefix: str, plural: str, scope: str) -> Iterator[Leftover]:
    with suppress(NotFound):  # this cluster does not have the kind: ours after the CRDs were deleted
        for item in cluster.metadata(f"{prefix}{scope}/{plural}"):
            if patch := _removal_patch(item["metadata"]):
                yield _leftover(kind, item["metadata"], patch, prefix, plural)


def _removal_patch(meta: Mapping[str, object]) -> dict[str, object]:
    """The patch that removes our keys and finalizers; empty when there are none."""
    patch: dict[str, object] = {}
    for field, keys in _KEYS.items():
        present = meta.get(field) or {}
        assert isinstance(present, Mapping)
        ours = [key for key in present if key in keys or key.startswith(f"{labels.KOPF_PREFIX}/")]
        patch |= {field: dict.fromkeys(ours)} if ours else {}
    finalizers = meta.get("finalizers") or ()
    assert isinstance(finalizers, list | tuple)
    others = [finalizer for finalizer in finalizers if not finalizer.partition("/")[0].endswith(labels.GROUP)]
    return patch | ({"finalizers": others or None} if len(others) < len(finalizers) else {})


def _leftover(kind: str, meta: Object, patch: dict[str, object], prefix: str, plural: str) -> Leftover:
    place = f"/namespaces/{meta['namespace']}" if meta.get("namespace") else ""
    path = f"{prefix}{place}/{plural}/{meta['name']}"
    preconditions = {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}
    return Leftover(f"{kind} {_name(meta)}", ", ".join(patch), path, meta["uid"], {**patch, **preconditions})


def _find_snapshots(cluster: "SyncClient", collection: str) -> Iterator[Leftover]:
    for item in cluster.metadata(collection, labelSelector=SNAPSHOTS):
        meta = item["metadata"]
        path = paths.snapshots(meta["namespace"], meta["name"])
        yield Leftover(f"ControllerRevision {_name(meta)}", "snapshot", path, meta["uid"])


def _find_records(cluster: "SyncClient") -> Iterator[Leftover]:
    for item in cluster.metadata(paths.track_records(NAMESPACE), labelSelector=f"{labels.TRACK_RECORD}=true"):
        meta = item["metadata"]
        path = paths.track_records(meta["namespace"], meta["name"])
        yield Leftover(f"ConfigMap {_name(meta)}", "track record", path, meta["uid"])


def _find_lease(cluster: "SyncClient", namespace: str, name: str) -> Iterator[Leftover]:
    with suppress(NotFound):
        meta = cluster.get(paths.leases(namespace, name))["metadata"]
        yield Leftover(f"Lease {_name(meta)}", "lease", paths.leases(namespace, name), meta["uid"])


def _name(meta: Object) -> str:
    return "/".join(part for part in (meta.get("namespace"), meta["name"]) if part)
