"""What people and other controllers do beside a fault, and pods that are not what they seem."""

import time
from collections.abc import Callable
from typing import Any

from support.api import Object, until
from support.case_builders import (
    NAME,
    SAMPLE,
    Edit,
    app,
    applied,
    bad,
    config_map,
    drop_pod,
    env,
    handed_over,
    healed,
    pod_spec,
    pods,
    release,
    replicas,
    restarted,
)
from support.case_run import CLOSED, Case, CaseRun
from support.cases_causes import with_state
from support.cases_traps import ours, statuses

from prunella_operator import clock

_ARGO = "argocd-controller"
_CRASHES = {"SHOP_EXIT_CODE": "1", "SHOP_EXIT_AFTER": "0s"}
_CRASHES_ONCE: tuple[Edit, ...] = (with_state, env(SHOP_EXIT_TIMES="1", SHOP_STATE_DIR="/state"))


def _pod_path(run: CaseRun, pod: Object) -> str:
    return f"/api/v1/namespaces/{run.namespace}/pods/{pod['metadata']['name']}"


def _phases(run: CaseRun) -> list[Any]:
    return [(incident.get("status") or {}).get("phase") for incident in run.incidents()]


def _survived(run: CaseRun) -> None:
    """One of two pods is OOM-killed once: by its next start the data is small again."""
    restarted(replicas(2), SHOP_MEMORY_MIB="90", SHOP_MEMORY_AFTER="10s")(run)

    def has_read() -> bool:
        fresh = [our for our in ours(run) if our["metadata"]["name"] not in run.pods]
        return any(status["state"].get("running") for status in statuses(fresh))

    until(has_read, 60, "the new pod has read its data")
    config_map(run)


def _then_another_crashes(run: CaseRun) -> None:
    """The one that was not killed is replaced and meets other data."""
    until(lambda: _phases(run) == ["Recovered"], 180, "it is well again", every=0.5)
    config_map(run, **_CRASHES)
    (other,) = [our for our in ours(run) if not statuses([our])[0]["restartCount"]]
    run.api.delete(_pod_path(run, other))


def _pause(run: CaseRun) -> None:
    run.when(lambda status: status.get("phase") == "Confirming", "it is being confirmed")
    run.api.patch(run.path, {"spec": {"paused": True}})


def _by_argo(*edits: Edit) -> Callable[[CaseRun], None]:
    """Argo CD tracks by label here, and applies on the server: only the field managers tell."""
    return lambda run: run.api.apply(*app(run, *edits), manager=_ARGO) and None


def _evicted_before(run: CaseRun) -> None:
    """What an eviction under pressure leaves behind, and then a bad release."""
    (pod,) = ours(run)
    told = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: ephemeral-storage."}
    run.api.patch(f"{_pod_path(run, pod)}/status", {"status": told})
    until(lambda: len(ours(run)) == 2, 60, "there is another pod")
    until(lambda: run.live()["status"].get("availableReplicas"), 90, "it serves")
    applied(bad())(run)


def _debugged(run: CaseRun) -> None:
    """A person's ephemeral container ends badly; the pod is well."""
    (pod,) = ours(run)
    template = pod_spec(run.live())["containers"][0]
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
        drop_pod(run)
        time.sleep(4)


def _changed_again(run: CaseRun) -> None:
    """A person tries another release while ours is being verified, and that one is bad as well."""
    run.when(lambda status: status.get("phase") == "Verifying", "it is being verified")
    applied(bad(3))(run)

    def over() -> bool:
        return [phase in CLOSED for phase in _phases(run)] == [True, True]

    until(over, 180, "both are over", every=0.5)


def _recreated_otherwise(run: CaseRun) -> None:
    """Made anew with another selector: no earlier template fits it."""
    run.api.delete(run.path, propagation="Foreground")
    until(lambda: run.api.find(run.path) is None, 60, "it is deleted")

    def renamed(obj: Object) -> None:
        labels = {"shop.example.org/track": "two"}
        obj["spec"]["selector"]["matchLabels"] = labels
        obj["spec"]["template"]["metadata"]["labels"] |= labels

    applied(bad(), renamed)(run)


def _needs_a_node(run: CaseRun) -> None:
    """A release that needs a node of another kind, and a cluster autoscaler that says that it gets one."""
    applied(release(2), pods(nodeSelector={_kind_of_node(run): "yes"}))(run)

    def homeless() -> list[Object]:
        return [our for our in ours(run) if our["metadata"]["name"] not in run.pods]

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
    _, one = app(run, bad())
    del one["spec"]["template"]["spec"]["containers"][0]["envFrom"]
    run.api.apply(one)


CASES = (
    handed_over(
        "killed-another",
        applied(replicas(2)),
        _survived,
        "InnocentRelease",
        "pod_crash_loop",
        then=_then_another_crashes,
        incidents=2,
        about=1,
        policy={"grace": "15s"},
    ),
    handed_over(
        "hangs-after-crash",
        applied(*_CRASHES_ONCE),
        restarted(*_CRASHES_ONCE, SHOP_EXIT_CODE="1", SHOP_EXIT_AFTER="3s", SHOP_HANG_AFTER="20s"),
        "InnocentRelease",
        "pod_crash_loop",
    ),
    handed_over(
        "paused-meanwhile", applied(), applied(bad()), "Paused", "bad_release", then=_pause, policy={"grace": "25s"}
    ),
    handed_over("argo-by-manager", _by_argo(), _by_argo(bad()), "OwnedElsewhere", "bad_release"),
    handed_over(
        "changed-again",
        applied(),
        applied(bad()),
        "ChangedByOthers",
        "bad_release",
        then=_changed_again,
        writes=2,
        incidents=2,
        policy={"cooldown": "1s", "verification": {"window": "20s", "timeout": "90s"}},
    ),
    handed_over("recreated-otherwise", applied(), _recreated_otherwise, "NoKnownGoodRevision", "pod_crash_loop"),
    handed_over("replica-set", None, _replica_set, "ReportOnly", "pod_crash_loop", kind="ReplicaSet"),
    Case(
        "node-on-its-way",
        NAME,
        before=applied(),
        breaks=_needs_a_node,
        then=_node_comes,
        phase="Recovered",
        reason="HealedByItself",
        sample=SAMPLE,
        slow=True,
    ),
    healed("evicted-before", applied(), _evicted_before, "bad_release"),
    *(
        Case(name, NAME, before=applied(), breaks=breaks, phase=None, reason="", incidents=0, sample=SAMPLE)
        for name, breaks in {"debugged": _debugged, "killed-again-and-again": _killed_again_and_again}.items()
    ),
)
