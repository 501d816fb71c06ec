"""Leftovers of Prunella in a cluster: annotations and labels on workloads and its own objects, snapshots, its Lease.

Prunella sets no finalizer, so nothing waits for it once it is gone; a finalizer with its name is removed, no matter who
set it. Incidents, policies and CRDs are kept, and so are labels that opt in or out: those belong to the users.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.views.revisions import SNAPSHOTS
from prunella_workflows.model import labels
from prunella_workflows.model.errors import NotFound

_APPS = "/apis/apps/v1"
_KINDS = (
    ("Deployment", _APPS, "deployments"),
    ("StatefulSet", _APPS, "statefulsets"),
    ("DaemonSet", _APPS, "daemonsets"),
    ("HorizontalPodAutoscaler", "/apis/autoscaling/v2", "horizontalpodautoscalers"),
    ("Incident", paths.API, "incidents"),
    ("HealingPolicy", paths.API, "healingpolicies"),
)
_CLUSTER_KINDS = (("ClusterHealingPolicy", paths.API, "clusterhealingpolicies"),)
_KEYS = {
    "annotations": frozenset(
        {labels.LAST_ACTION, labels.LAST_ACTION_AT, labels.BEFORE, labels.AFTER, labels.REPAIR_SLOTS}
    ),
    "labels": frozenset({labels.REPAIR_SLOT}),
}
_KOPF_PREFIX = f"{labels.KOPF_PREFIX}/"
"""Annotations in which kopf records its progress on Incidents."""


class Cluster(Protocol):
    """The requests to the API server that uninstalling needs."""

    def get(self, path: str) -> Object:
        """One object."""

    def metadata(self, path: str, **params: str) -> Iterator[Object]:
        """The metadata of all objects of a collection."""

    def merge_patch(self, path: str, body: Object) -> Object:
        """Apply a merge patch."""

    def delete(self, path: str, uid: str) -> None:
        """Delete exactly this object."""


@dataclass(frozen=True)
class Leftover:
    """Something Prunella left behind. Without a patch the whole object is deleted."""

    object: str
    kinds: str
    path: str
    uid: str
    patch: Object | None = None

    def remove(self, cluster: Cluster) -> None:
        """Remove it, unless it is gone already.

        Raises:
            PrunellaError: it cannot be removed; Conflict when the object has changed since it was read.
        """
        try:
            if self.patch is None:
                cluster.delete(self.path, self.uid)
            else:
                cluster.merge_patch(self.path, {"metadata": self.patch})
        except NotFound:
            return


def find_leftovers(cluster: Cluster, namespaces: tuple[str, ...], lease: tuple[str, str]) -> Iterator[Leftover]:
    """All leftovers, in these namespaces or everywhere. `lease` is the namespace and name of the Lease."""
    for kind, prefix, plural in _KINDS:
        for scope in _scopes(namespaces):
            yield from _find_keys(cluster, kind, f"{prefix}{scope}/{plural}", prefix, plural)
    for kind, prefix, plural in () if namespaces else _CLUSTER_KINDS:
        yield from _find_keys(cluster, kind, f"{prefix}/{plural}", prefix, plural)
    for scope in _scopes(namespaces):
        yield from _find_snapshots(cluster, f"{_APPS}{scope}/controllerrevisions")
    yield from _find_lease(cluster, *lease)


def _scopes(namespaces: tuple[str, ...]) -> Iterator[str]:
    yield from (f"/namespaces/{namespace}" for namespace in namespaces) if namespaces else ("",)


def _find_keys(cluster: Cluster, kind: str, collection: str, prefix: str, plural: str) -> Iterator[Leftover]:
    try:
        for item in cluster.metadata(collection):
            if patch := _removal_patch(item["metadata"]):
                yield _leftover(kind, item["metadata"], patch, prefix, plural)
    except NotFound:  # this cluster does not have the kind: ours after the CRDs were deleted
        return


def _removal_patch(meta: Mapping[str, object]) -> dict[str, object]:
    """The patch that removes our keys and finalizers; empty when there are none."""
    patch: dict[str, object] = {}
    for field, keys in _KEYS.items():
        present = meta.get(field) or {}
        assert isinstance(present, Mapping)
        ours = [key for key in present if key in keys or key.startswith(_KOPF_PREFIX)]
        patch |= {field: dict.fromkeys(ours)} if ours else {}
    finalizers = meta.get("finalizers") or ()
    assert isinstance(finalizers, list | tuple)
    others = [finalizer for finalizer in finalizers if not finalizer.partition("/")[0].endswith(labels.GROUP)]
    return patch | ({"finalizers": others or None} if len(others) < len(finalizers) else {})


def _leftover(kind: str, meta: Object, patch: dict[str, object], prefix: str, plural: str) -> Leftover:
    place = f"/namespaces/{meta['namespace']}" if meta.get("namespace") else ""
    preconditions = {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}
    return Leftover(
        object=f"{kind} {_name(meta)}",
        kinds=", ".join(patch),
        path=f"{prefix}{place}/{plural}/{meta['name']}",
        uid=meta["uid"],
        patch={**patch, **preconditions},
    )


def _find_snapshots(cluster: Cluster, collection: str) -> Iterator[Leftover]:
    for item in cluster.metadata(collection, labelSelector=SNAPSHOTS):
        meta = item["metadata"]
        path = paths.snapshots(meta["namespace"], meta["name"])
        yield Leftover(f"ControllerRevision {_name(meta)}", "snapshot", path, meta["uid"])


def _find_lease(cluster: Cluster, namespace: str, name: str) -> Iterator[Leftover]:
    try:
        meta = cluster.get(paths.leases(namespace, name))["metadata"]
    except NotFound:
        return
    yield Leftover(f"Lease {_name(meta)}", "lease", paths.leases(namespace, name), meta["uid"])


def _name(meta: Object) -> str:
    return "/".join(part for part in (meta.get("namespace"), meta["name"]) if part)
