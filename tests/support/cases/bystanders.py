"""Actions of people and other controllers beside a fault, and pods that are not what they seem."""

import time
from collections.abc import Callable
from typing import Any

from support.api import Object, until
from support.cases import builders as shop
from support.cases.causes import with_state
from support.cases.run import CLOSED, Case, CaseRun
from support.cases.traps import ours, statuses

from prunella_operator import clock

_ARGO = "argocd-controller"
_CRASHES = {"SHOP_EXIT_CODE": "1", "SHOP_EXIT_AFTER": "0s"}
_CRASHES_ONCE: tuple[shop.Edit, ...] = (with_state, shop.env(SHOP_EXIT_TIMES="1", SHOP_STATE_DIR="/state"))


def _pod_path(run: CaseRun, pod: Object) -> str:
    return f"/api/v1/namespaces/{run.namespace}/pods/{pod['metadata']['name']}"


def _phases(run: CaseRun) -> list[Any]:
    return [(incident.get("status") or {}).get("phase") for incident in run.incidents()]


def _survived(run: CaseRun) -> None:
    """One of two pods is OOM-killed once: by its next start the data is small again."""
    shop.restarted(shop.replicas(2), SHOP_MEMORY_MIB="90", SHOP_MEMORY_AFTER="10s")(run)

    def has_read() -> bool:
        fresh = [pod for pod in ours(run) if pod["metadata"]["name"] not in run.pods]
        return any(status["state"].get("running") for status in statuses(fresh))

    until(has_read, 60, "the new pod has read its data")
    shop.config_map(run)


def _then_another_crashes(run: CaseRun) -> None:
    """Replace the pod that was not killed; it reads other data."""
    until(lambda: _phases(run) == ["Recovered"], 180, "it is well again", every=0.5)
    shop.config_map(run, **_CRASHES)
    (other,) = [pod for pod in ours(run) if not statuses([pod])[0]["restartCount"]]
    run.api.delete(_pod_path(run, other))


def _pause(run: CaseRun) -> None:
    run.when(lambda status: status.get("phase") == "Confirming", "it is being confirmed")
    run.api.patch(run.path, {"spec": {"paused": True}})


def _by_argo(*edits: shop.Edit) -> Callable[[CaseRun], None]:
    """Apply as Argo CD with tracking by label: only the field managers show that it owns the workload."""
    return lambda run: run.api.apply(*shop.app(run, *edits), manager=_ARGO) and None


def _evicted_before(run: CaseRun) -> None:
    """Leave a pod as an eviction under pressure does, and then roll out a bad release."""
    (pod,) = ours(run)
    status = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: ephemeral-storage."}
    run.api.patch(f"{_pod_path(run, pod)}/status", {"status": status})
    until(lambda: len(ours(run)) == 2, 60, "there is another pod")
    until(lambda: run.live()["status"].get("availableReplicas"), 90, "it serves")
    shop.applied(shop.bad())(run)


def _debugged(run: CaseRun) -> None:
    """A person's ephemeral container ends badly; the pod is well."""
    (pod,) = ours(run)
    template = shop.pod_spec(run.live())["containers"][0]
    kept = {key: template[key] for key in ("image", "imagePullPolicy", "securityContext")}
    body = {
        "spec": {
            "ephemeralContainers": [{**kept, "name": "debugger", "env": [{"name": "SHOP_REQUIRE_ENV", "value": "X"}]}]
        }
    }
    run.api.patch(f"{_pod_path(run, pod)}/ephemeralcontainers", body)


def _killed_again_and_again(run: CaseRun) -> None:
    """A chaos experiment takes a pod every few seconds."""
    for _ in range(8):
        shop.drop_pod(run)
        time.sleep(4)


def _changed_again(run: CaseRun) -> None:
    """A person tries another release while ours is being verified, and that one is bad as well."""
    run.when(lambda status: status.get("phase") == "Verifying", "it is being verified")
    shop.applied(shop.bad(3))(run)

    def over() -> bool:
        return [phase in CLOSED for phase in _phases(run)] == [True, True]

    until(over, 180, "both are over", every=0.5)


def _recreated_otherwise(run: CaseRun) -> None:
    """Recreate it with another selector: no earlier template fits it."""
    run.api.delete(run.path, propagation="Foreground")
    until(lambda: run.api.find(run.path) is None, 60, "it is deleted")

    def renamed(obj: Object) -> None:
        labels = {"shop.example.org/track": "two"}
        obj["spec"]["selector"]["matchLabels"] = labels
        obj["spec"]["template"]["metadata"]["labels"] |= labels

    shop.applied(shop.bad(), renamed)(run)


def _needs_a_node(run: CaseRun) -> None:
    """A release that needs a node of another kind, and a cluster autoscaler that says that it gets one."""
    shop.applied(shop.release(2), shop.pods(nodeSelector={_kind_of_node(run): "yes"}))(run)

    def homeless() -> list[Object]:
        return [pod for pod in ours(run) if pod["metadata"]["name"] not in run.pods]

    (pod,) = until(homeless, 60, "its pod is made")
    about = {"kind": "Pod", "namespace": run.namespace} | {key: pod["metadata"][key] for key in ("name", "uid")}
    said = {"type": "Normal", "reason": "TriggeredScaleUp", "message": "pod triggered scale-up: [{shop 1->2 (max: 3)}]"}
    meta = {"generateName": "shop-", "namespace": run.namespace}
    now = clock.now().isoformat(timespec="seconds").replace("+00:00", "Z")
    event = {"metadata": meta, "involvedObject": about, **said, "firstTimestamp": now, "lastTimestamp": now}
    run.api.create(f"/api/v1/namespaces/{run.namespace}/events", event)


def _kind_of_node(run: CaseRun) -> str:
    """A label that only this case's pods ask for."""
    return f"shop.example.org/{run.namespace}"


def _node_comes(run: CaseRun) -> None:
    run.opened()
    time.sleep(15)
    assert not run.attempted()
    (node,) = run.api.items("/api/v1/nodes")
    labels = {_kind_of_node(run): "yes"}
    run.api.patch(f"/api/v1/nodes/{node['metadata']['name']}", {"metadata": {"labels": labels}})


def _replica_set(run: CaseRun) -> None:
    _, workload = shop.app(run, shop.bad())
    del workload["spec"]["template"]["spec"]["containers"][0]["envFrom"]
    run.api.apply(workload)


CASES = (
    shop.escalated(
        "killed-another",
        shop.applied(shop.replicas(2)),
        _survived,
        "InnocentRelease",
        "environment_changed",
        then=_then_another_crashes,
        incidents=2,
        about=1,
        policy={"grace": "15s"},
    ),
    shop.escalated(
        "hangs-after-crash",
        shop.applied(*_CRASHES_ONCE),
        shop.restarted(*_CRASHES_ONCE, SHOP_EXIT_CODE="1", SHOP_EXIT_AFTER="3s", SHOP_HANG_AFTER="20s"),
        "InnocentRelease",
        "environment_changed",
    ),
    shop.escalated(
        "paused-meanwhile",
        shop.applied(),
        shop.applied(shop.bad()),
        "Paused",
        "bad_release",
        then=_pause,
        policy={"grace": "25s"},
    ),
    shop.escalated("argo-by-manager", _by_argo(), _by_argo(shop.bad()), "OwnedElsewhere", "bad_release"),
    shop.escalated(
        "changed-again",
        shop.applied(),
        shop.applied(shop.bad()),
        "ChangedByOthers",
        "bad_release",
        then=_changed_again,
        writes=2,
        incidents=2,
        policy={"cooldown": "1s", "verification": {"window": "20s", "timeout": "90s"}},
    ),
    shop.escalated("recreated-otherwise", shop.applied(), _recreated_otherwise, "NoKnownGoodRevision", "bad_release"),
    shop.escalated("replica-set", None, _replica_set, "ReportOnly", "pod_crash_loop", kind="ReplicaSet"),
    Case(
        "node-on-its-way",
        shop.NAME,
        before=shop.applied(),
        breaks=_needs_a_node,
        then=_node_comes,
        phase="Recovered",
        reason="HealedByItself",
        sample=shop.SAMPLE,
        slow=True,
    ),
    shop.rolled_back("evicted-before", shop.applied(), _evicted_before),
    *(
        Case(
            name,
            shop.NAME,
            before=shop.applied(),
            breaks=breaks,
            phase=None,
            reason="",
            incidents=0,
            sample=shop.SAMPLE,
        )
        for name, breaks in {"debugged": _debugged, "killed-again-and-again": _killed_again_and_again}.items()
    ),
)
