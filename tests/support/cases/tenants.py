"""Other people's Incidents and policies beside a fault, and pods that fail by being replaced."""

from typing import Any

from support import samples
from support.api import Object, until
from support.cases import builders as shop
from support.cases.causes import with_state
from support.cases.run import CaseRun

from prunella_operator.kubernetes.views.workloads import workload_key
from prunella_workflows.model.labels import WORKLOAD
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


def _leave(status: Object) -> Any:
    """Leave a pod behind as its kubelet does; its successor serves."""

    def act(run: CaseRun) -> None:
        (name,) = run.pods
        run.api.patch(f"/api/v1/namespaces/{run.namespace}/pods/{name}/status", {"status": status})
        until(lambda: _serves(run), 90, "its successor serves")

    return act


def _serves(run: CaseRun) -> bool:
    pods = [pod for pod in run.api.pods(run.namespace) if pod["metadata"]["name"] not in run.pods]
    return any(status["ready"] for pod in pods for status in pod["status"].get("containerStatuses", ()))


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
