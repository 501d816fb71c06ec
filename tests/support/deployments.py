"""Small Deployments of the shop image, and their state later."""

from contextlib import suppress

from support.api import Api, Object, until

from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.views.templates import template_hash, template_of
from prunella_workflows.model.errors import NotFound
from prunella_workflows.model.labels import LAST_ACTION
from prunella_workflows.model.plan import Precondition
from prunella_workflows.model.workload import WorkloadRef

IMAGE = "prunella.local/shop"
_RESTRICTED = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}


def a_namespace(api: Api, prefix: str, **labels: str) -> str:
    """A new namespace with a name of its own. `ignore` and the like are labels under our prefix."""
    marks = {f"prunella.dev/{key}": value for key, value in labels.items()}
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": prefix, "labels": marks}}
    return str(api.create("/api/v1/namespaces", body)["metadata"]["name"])


def a_deployment(
    namespace: str,
    name: str = "web",
    *,
    version: int = 1,
    replicas: int = 0,
    memory: str = "64Mi",
    request: str | None = "16Mi",
    env: dict[str, str] | None = None,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    ready_every: int | None = 1,
    **spec: object,
) -> Object:
    """Release `version` of a Deployment; no pods unless wanted, as many tests are about the object alone."""
    requests = {"requests": {"memory": request, "cpu": "10m"}} if request else {}
    container: Object = {
        "name": "app",
        "image": f"{IMAGE}:{1 + (version - 1) % 2}",
        "imagePullPolicy": "IfNotPresent",
        "env": [{"name": "RELEASE", "value": str(version)}]
        + [{"name": key, "value": value} for key, value in (env or {}).items()],
        "resources": {"limits": {"memory": memory}, **requests},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    if ready_every:
        container["readinessProbe"] = {"httpGet": {"path": "/readyz", "port": 8080}, "periodSeconds": ready_every}
    marks = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": labels or {}, "annotations": annotations or {}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": marks},
            "template": {
                "metadata": {"labels": marks},
                "spec": {"containers": [container], "terminationGracePeriodSeconds": 1, "securityContext": _RESTRICTED},
            },
            **spec,
        },
    }


def ref_of(obj: Object) -> WorkloadRef:
    """The address of a Deployment."""
    meta = obj["metadata"]
    return WorkloadRef(kind="Deployment", namespace=meta["namespace"], name=meta["name"], uid=meta["uid"])


def precondition_of(obj: Object) -> Precondition:
    """The precondition of a decision that is made now."""
    marks = obj["metadata"].get("annotations") or {}
    digest = template_hash(template_of({"kind": "Deployment", **obj}))
    return Precondition(uid=obj["metadata"]["uid"], template_hash=digest, last_action=marks.get(LAST_ACTION, ""))


def replica_sets(api: Api, obj: Object) -> dict[int, Object]:
    """The Deployment's ReplicaSets by revision."""
    meta = obj["metadata"]
    found = api.items(paths.collection("ReplicaSet", meta["namespace"]), labelSelector=f"app={meta['name']}")
    return {int(item["metadata"]["annotations"]["deployment.kubernetes.io/revision"]): item for item in found}


def released(api: Api, *versions: Object) -> Object:
    """Apply releases one by one, each once the one before has its ReplicaSet; the Deployment as it is then."""
    for number, deployment in enumerate(versions, 1):
        (live,) = api.apply(deployment)
        until(lambda live=live, number=number: number in replica_sets(api, live), 90, f"revision {number}", every=0.05)
    return observed(api, live)


def observed(api: Api, obj: Object) -> Object:
    """The Deployment once its controller has seen its latest generation."""
    path = paths.workload(ref_of(obj))

    def seen() -> Object | None:
        live = api.get(path)
        return live if live.get("status", {}).get("observedGeneration") == live["metadata"]["generation"] else None

    return until(seen, 90, f"{path} is observed", every=0.05)


def available(api: Api, obj: Object, seconds: float = 60) -> Object:
    """The Deployment once all its pods are available."""
    path = paths.workload(ref_of(obj))

    def there() -> Object | None:
        live = api.get(path)
        status = live.get("status", {})
        done = status.get("observedGeneration") == live["metadata"]["generation"]
        wanted = live["spec"]["replicas"]
        counts = [status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")]
        return live if done and counts == [wanted] * 3 else None

    return until(there, seconds, f"{path} is available")


def gone(api: Api, path: str) -> None:
    """Delete it and wait until it is gone."""
    api.delete(path, propagation="Foreground")

    def absent() -> bool:
        with suppress(NotFound):
            api.get(path)
            return False
        return True

    until(absent, 90, f"{path} is gone", every=0.05)
