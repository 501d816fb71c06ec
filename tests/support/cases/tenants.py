"""Other people's Incidents and policies beside a fault, and pods that fail by being replaced."""

from collections.abc import Callable
from typing import Any

from support import samples
from support.api import Object, until
from support.cases import builders as shop
from support.cases.causes import with_state
from support.cases.run import CaseRun

from prunella_operator.kubernetes.views.workloads import workload_key
from prunella_workflows.model.labels import IGNORE, WORKLOAD
from prunella_workflows.model.workload import WorkloadRef

_UNREADABLE = {"name": "up", "query": 'up{pod="$nodes"}', "threshold": 1}
_EVICTED = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: ephemeral-storage."}


def _with_policy(name: str) -> Any:
    """A policy that cannot be read, for the workload of that name."""

    def act(run: CaseRun) -> None:
        policy = samples.policy(run.namespace, verification={"checks": [_UNREADABLE]})
        policy["metadata"]["name"] = "unreadable"
        policy["spec"]["selector"] = {"matchLabels": {"app.kubernetes.io/name": name}}
        shop.applied()(run)
        run.api.apply(policy)

    return act


def _forged(run: CaseRun) -> None:
    """A tenant's Incident that writes nothing, made to look as if it covered the workload."""
    (incident,) = samples.load("dry-run", "incident.yaml", run.namespace)
    ref = WorkloadRef(kind="Deployment", namespace=run.namespace, name=shop.NAME, uid=run.first["metadata"]["uid"])
    incident["metadata"] |= {"generateName": "forged-", "labels": {WORKLOAD: workload_key(ref)}}
    incident["spec"] = {**incident["spec"], "suspend": True}
    run.api.apply(incident)
    shop.applied(shop.bad())(run)


def _cramped(obj: Object) -> None:
    """Its files need more than its volume may hold, so that the kubelet evicts each of its pods."""
    with_state(obj)
    shop.env(SHOP_EXIT_CODE="0", SHOP_EXIT_TIMES="0", SHOP_STATE_DIR="/state", SHOP_EXIT_AFTER="1h")(obj)
    shop.pod_spec(obj)["volumes"][0]["emptyDir"] = {"sizeLimit": "1Ki"}


def _opened_late(run: CaseRun) -> None:
    """Each pod lives for up to a minute, until the kubelet measures its volume again."""
    until(run.subject, 360, "there is an incident", every=1)


def _leave(status: Object) -> Callable[[CaseRun], None]:
    """Leave a pod of the workload behind that has ended like this, as kubelets do.

    The kubelet of a running pod would write over the status, and a pod that waits for its node would be one too many.
    So it waits with a gate, and has no owner until it has ended.
    """

    def act(run: CaseRun) -> None:
        (owner,) = run.api.items(f"/apis/apps/v1/namespaces/{run.namespace}/replicasets")
        path = f"/api/v1/namespaces/{run.namespace}/pods/left-behind"
        run.api.apply(_gated(run, owner))
        run.api.patch(f"{path}/status", {"status": status})
        reference = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "controller": True}
        names = {"name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}
        labels = owner["spec"]["template"]["metadata"]["labels"]
        marks = {"labels": labels, "ownerReferences": [reference | names], "annotations": {IGNORE: None}}
        run.api.patch(path, {"metadata": marks})

    return act


def _gated(run: CaseRun, owner: Object) -> Object:
    """A pod of this template that is not scheduled, and that Prunella ignores."""
    meta = {"name": "left-behind", "namespace": run.namespace, "annotations": {IGNORE: "true"}}
    spec = owner["spec"]["template"]["spec"] | {"schedulingGates": [{"name": "shop.example.org/never"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


CASES = (
    shop.rolled_back("unreadable-policy-of-another", _with_policy("another"), shop.applied(shop.bad())),
    shop.escalated(
        "unreadable-policy", _with_policy(shop.NAME), shop.applied(shop.bad()), "InvalidIncident", "", phase="Failed"
    ),
    shop.rolled_back("forged-incident", shop.applied(), _forged, incidents=2, about=2),
    shop.rolled_back(
        "evicted-again-and-again",
        shop.applied(),
        shop.applied(shop.release(2), _cramped, shop.probe("readinessProbe", initialDelaySeconds=150)),
        then=_opened_late,
        slow=True,
    ),
    shop.unseen("evicted-once", shop.applied(), _leave(_EVICTED)),
    shop.unseen("shut-down-with-its-node", shop.applied(), _leave({"phase": "Failed", "reason": "Terminated"})),
)
