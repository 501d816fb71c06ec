"""What Prunella leaves in a cluster, and how it is taken away: marks on objects of others, snapshots, its Lease.

Prunella sets no finalizer, so nothing waits for it when it is gone; one under its name, whoever set it, is taken away.
Incidents, policies and CRDs stay, and so do the labels by which people opted in or out: those are theirs.
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
_MARKS = {
    "annotations": frozenset(
        {labels.LAST_ACTION, labels.LAST_ACTION_AT, labels.BEFORE, labels.AFTER, labels.REPAIR_SLOTS}
    ),
    "labels": frozenset({labels.REPAIR_SLOT}),
}
_NOTES = f"{labels.KOPF_PREFIX}/"
"""What kopf notes on Incidents of how far it has handled them."""


class Cluster(Protocol):
    """The API server, as far as this needs it."""

    def get(self, path: str) -> Object:
        """One object."""

    def metadata(self, path: str, **params: str) -> Iterator[Object]:
        """The metadata of all objects of a collection."""

    def merge_patch(self, path: str, body: Object) -> Object:
        """Apply a merge patch."""

    def delete(self, path: str, uid: str) -> None:
        """Delete exactly this object."""


@dataclass(frozen=True)
class Trace:
    """Something that Prunella left. Without a patch the object goes as a whole."""

    object: str
    what: str
    path: str
    uid: str
    patch: Object | None = None

    def remove(self, cluster: Cluster) -> None:
        """Take it away. What is gone already is fine.

        Raises:
            PrunellaError: it could not be; Conflict when somebody wrote to the object meanwhile.
        """
        try:
            if self.patch is None:
                cluster.delete(self.path, self.uid)
            else:
                cluster.merge_patch(self.path, {"metadata": self.patch})
        except NotFound:
            return


def traces(cluster: Cluster, namespaces: tuple[str, ...], lease: tuple[str, str]) -> Iterator[Trace]:
    """All that Prunella left, in these namespaces or everywhere. `lease` is the namespace and name of its Lease."""
    for kind, prefix, plural in _KINDS:
        for scope in _scopes(namespaces):
            yield from _marked(cluster, kind, f"{prefix}{scope}/{plural}", prefix, plural)
    for kind, prefix, plural in () if namespaces else _CLUSTER_KINDS:
        yield from _marked(cluster, kind, f"{prefix}/{plural}", prefix, plural)
    for scope in _scopes(namespaces):
        yield from _snapshots(cluster, f"{_APPS}{scope}/controllerrevisions")
    yield from _lease(cluster, *lease)


def _scopes(namespaces: tuple[str, ...]) -> Iterator[str]:
    yield from (f"/namespaces/{namespace}" for namespace in namespaces) if namespaces else ("",)


def _marked(cluster: Cluster, kind: str, collection: str, prefix: str, plural: str) -> Iterator[Trace]:
    try:
        for one in cluster.metadata(collection):
            if found := _marks_of(one["metadata"]):
                yield _trace(kind, one["metadata"], found, prefix, plural)
    except NotFound:  # a kind that this cluster does not have, such as ours when the CRDs are gone
        return


def _marks_of(meta: Mapping[str, object]) -> dict[str, object]:
    """The patch that takes our marks away; empty when there are none."""
    patch: dict[str, object] = {}
    for field, names in _MARKS.items():
        present = meta.get(field) or {}
        assert isinstance(present, Mapping)
        ours = [name for name in present if name in names or name.startswith(_NOTES)]
        patch |= {field: dict.fromkeys(ours)} if ours else {}
    finalizers = meta.get("finalizers") or ()
    assert isinstance(finalizers, list | tuple)
    others = [finalizer for finalizer in finalizers if not finalizer.partition("/")[0].endswith(labels.GROUP)]
    return patch | ({"finalizers": others or None} if len(others) < len(finalizers) else {})


def _trace(kind: str, meta: Object, found: dict[str, object], prefix: str, plural: str) -> Trace:
    place = f"/namespaces/{meta['namespace']}" if meta.get("namespace") else ""
    seen = {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}
    return Trace(
        object=f"{kind} {_name(meta)}",
        what=", ".join(found),
        path=f"{prefix}{place}/{plural}/{meta['name']}",
        uid=meta["uid"],
        patch={**found, **seen},
    )


def _snapshots(cluster: Cluster, collection: str) -> Iterator[Trace]:
    for one in cluster.metadata(collection, labelSelector=SNAPSHOTS):
        meta = one["metadata"]
        path = paths.snapshots(meta["namespace"], meta["name"])
        yield Trace(f"ControllerRevision {_name(meta)}", "snapshot", path, meta["uid"])


def _lease(cluster: Cluster, namespace: str, name: str) -> Iterator[Trace]:
    try:
        meta = cluster.get(paths.leases(namespace, name))["metadata"]
    except NotFound:
        return
    yield Trace(f"Lease {_name(meta)}", "lease", paths.leases(namespace, name), meta["uid"])


def _name(meta: Object) -> str:
    return "/".join(part for part in (meta.get("namespace"), meta["name"]) if part)
