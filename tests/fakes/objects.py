"""Workloads as the API server sends them: Deployment `web` in namespace `shop`, its ReplicaSets, pods and snapshots.

The defaults are healthy; a test overrides what matters to it.
"""

import copy
from datetime import UTC, datetime

from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.views import revisions
from prunella_operator.kubernetes.views.templates import POD_TEMPLATE_HASH
from prunella_workflows.model.workload import WorkloadRef

NAMESPACE = "shop"
WEB = WorkloadRef(kind="Deployment", namespace=NAMESPACE, name="web", uid="uid-web")
LONG_AGO = "2026-11-24T08:00:00Z"


def a_template(version=1, *, memory="64Mi", annotations=None, labels=None, env=(), **spec):
    """The template of release `version`."""
    container = {
        "name": "app",
        "image": f"registry.example/web:{version}",
        "resources": {"limits": {"memory": memory}, "requests": {"memory": "16Mi"}},
        **({"env": list(env)} if env else {}),
    }
    metadata = {"labels": {"app": "web", **(labels or {})}} | ({"annotations": annotations} if annotations else {})
    return {"metadata": metadata, "spec": {"containers": [container], **spec}}


def a_deployment(template=None, *, replicas=2, generation=1, status=None, labels=None, annotations=None, **spec):
    """Rolled out and available, unless `status` says otherwise."""
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), replicas)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "web",
            "namespace": NAMESPACE,
            "uid": WEB.uid,
            "generation": generation,
            "resourceVersion": "7",
            "labels": labels or {},
            "annotations": annotations or {},
        },
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": template or a_template(),
            **spec,
        },
        "status": {"observedGeneration": generation, **counts, **(status or {})},
    }


def a_replica_set(number, template=None, **meta):
    """Revision `number` of web; its template carries the controller's own label, as in a real cluster."""
    own = copy.deepcopy(template or a_template(number))
    own["metadata"].setdefault("labels", {})[POD_TEMPLATE_HASH] = f"hash{number}"
    return {
        "metadata": {
            "name": f"web-hash{number}",
            "namespace": NAMESPACE,
            "uid": f"uid-rs-{number}",
            "creationTimestamp": LONG_AGO,
            "labels": {"app": "web", POD_TEMPLATE_HASH: f"hash{number}"},
            "annotations": {"deployment.kubernetes.io/revision": str(number)},
            "ownerReferences": [owned_by("apps/v1", "Deployment", "web", WEB.uid)],
            **meta,
        },
        "spec": {"template": own},
    }


KILLED = {
    "restartCount": 3,
    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
    "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137, "finishedAt": LONG_AGO}},
}
"""The status of a container that was killed for memory again and again."""


def a_pod(name="web-a", revision=1, *, ready_since=LONG_AGO, status=None, owner=None, **meta):
    """A pod of revision `revision`, ready since long ago; `ready_since=None` is a pod that is not ready."""
    container = {"name": "app", "ready": ready_since is not None, "restartCount": 0}
    container["state"] = {"running": {"startedAt": ready_since or LONG_AGO}}
    ready = {"type": "Ready", "status": "True" if ready_since else "False", "lastTransitionTime": ready_since}
    return {
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "uid": f"uid-{name}",
            "creationTimestamp": LONG_AGO,
            "labels": {"app": "web", POD_TEMPLATE_HASH: f"hash{revision}"},
            "ownerReferences": [
                owner or owned_by("apps/v1", "ReplicaSet", f"web-hash{revision}", f"uid-rs-{revision}")
            ],
            **meta,
        },
        "spec": a_template(revision)["spec"],
        "status": {"phase": "Running", "conditions": [ready], "containerStatuses": [{**container, **(status or {})}]},
    }


def owned_by(api_version, kind, name, uid):
    return {"apiVersion": api_version, "kind": kind, "name": name, "uid": uid, "controller": True}


def a_snapshot(template, *, good_at=None, created=LONG_AGO):
    """A snapshot of a template of web."""
    body = revisions.snapshot(
        a_deployment(template), WEB, revisions.KNOWN_GOOD if good_at else revisions.BEFORE, good_at
    )
    body["metadata"] |= {"namespace": NAMESPACE, "creationTimestamp": created}
    return body


def announced(kube, incident, action_id, **meta):
    """The incident of a repair, with that repair as its current attempt."""
    body = {"metadata": {"namespace": incident.namespace, "uid": incident.uid, **meta}, "spec": {"type": "OOMKilled"}}
    path = paths.incidents(incident.namespace, incident.name)
    return kube.put(path, body, phase="Repairing", attempts=[{"actionId": action_id}])


def a_cluster(kube, deployment=None, replica_sets=(), pods=(), *, snapshots=(), labels=None):
    """Put namespace shop with these objects into a fake."""
    kube.put(f"/api/v1/namespaces/{NAMESPACE}", {"metadata": {"labels": labels or {}}})
    kube.put("/api/v1", {"resources": [{"name": "pods"}, {"name": "pods/resize"}]})
    kube.put(paths.workload(WEB), deployment or a_deployment())
    for plural, found in (
        (paths.collection("ReplicaSet", NAMESPACE), replica_sets),
        (paths.core(NAMESPACE, "pods"), pods),
    ):
        for raw in found:
            kube.put(f"{plural}/{raw['metadata']['name']}", raw)
    for snapshot in snapshots:
        kube.put(paths.snapshots(NAMESPACE, snapshot["metadata"]["name"]), snapshot)
    return kube


def at(text):
    return datetime.fromisoformat(text).astimezone(UTC)
