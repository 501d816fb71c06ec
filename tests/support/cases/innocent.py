"""Cases that need a person, patience or nothing at all: faults of others, work of people, and noise."""

from collections.abc import Callable
from typing import Any

from support.api import Object, until
from support.cases import builders as shop
from support.cases.environment import label_node
from support.cases.run import CLOSED, Case, CaseRun
from support.mutating_webhook import leave_pods, lower_limits

_TWO = shop.replicas(2)
_KEY = shop.server(env=[{"name": "TOKEN", "valueFrom": {"configMapKeyRef": {"name": shop.NAME, "key": "TOKEN"}}}])
_ACCOUNT = shop.pods(serviceAccountName="shop")
_PATIENT = {"grace": "25s"}


def _phase(run: CaseRun, *phases: str) -> None:
    run.when(lambda status: status.get("phase") in phases, f"it is {' or '.join(phases)}")


def _put_back(phase: str) -> Callable[[CaseRun], None]:
    """The owner's pipeline knows nothing of the repair, and applies what is in its own source."""

    def act(run: CaseRun) -> None:
        _phase(run, phase)
        run.api.apply(*shop.app(run, shop.bad()))

    return act


def _fixed(run: CaseRun) -> None:
    _phase(run, "Confirming")
    run.api.apply(*shop.app(run, shop.release(3)))


def _deleted(phase: str) -> Callable[[CaseRun], None]:
    def act(run: CaseRun) -> None:
        _phase(run, phase)
        run.api.delete(run.path, propagation="Foreground")

    return act


def _without_data(run: CaseRun) -> None:
    run.api.delete(f"/api/v1/namespaces/{run.namespace}/configmaps/{shop.NAME}")
    shop.drop_pod(run)


def _with_account(run: CaseRun) -> None:
    meta = {"name": "shop", "namespace": run.namespace}
    run.api.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})
    shop.applied(_ACCOUNT, _TWO)(run)


def _without_account(run: CaseRun) -> None:
    run.api.delete(f"/api/v1/namespaces/{run.namespace}/serviceaccounts/shop")
    shop.drop_pod(run)


def _on_labelled_node(run: CaseRun) -> None:
    shop.applied(label_node(run, "yes"), _TWO)(run)


def _without_label(run: CaseRun) -> None:
    label_node(run, None)
    shop.drop_pod(run)


def _quota(memory: str, *then: Callable[[CaseRun], None]) -> Callable[[CaseRun], None]:
    def act(run: CaseRun) -> None:
        shop.limits_of_namespace(run, "ResourceQuota", hard={"limits.memory": memory})
        for action in then:
            action(run)

    return act


def _lowered(run: CaseRun) -> None:
    lower_limits(run, "20Mi")
    shop.drop_pod(run)


def _lowered_no_more(run: CaseRun) -> None:
    _phase(run, *CLOSED)
    leave_pods(run)


def _evicted(run: CaseRun) -> None:
    """Evict a pod, as a drain does."""
    name = next(pod["metadata"]["name"] for pod in run.api.pods(run.namespace))
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": run.namespace}}
    run.api.create(f"/api/v1/namespaces/{run.namespace}/pods/{name}/eviction", body)


def _restarted_by_hand(run: CaseRun) -> None:
    mark = {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}
    run.api.patch(run.path, {"spec": {"template": {"metadata": {"annotations": mark}}}})


def _up_and_down(run: CaseRun) -> None:
    for count in (3, 1):
        run.api.patch(run.path, {"spec": {"replicas": count}})
        until(lambda count=count: run.live()["status"].get("availableReplicas") == count, 90, f"{count} run")


def _no_pods_behind(run: CaseRun) -> None:
    """The pods are healthy but unreachable, which only a check of the Service would show."""
    meta = {"name": shop.NAME, "namespace": run.namespace}
    spec = {"selector": {"app.kubernetes.io/name": "renamed"}, "ports": [{"port": 8080}]}
    run.api.apply({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec})


def _ignored_pods(*edits: shop.Edit) -> Callable[[CaseRun], None]:
    def mark(obj: Object) -> None:
        obj["spec"]["template"]["metadata"]["labels"]["prunella.dev/ignore"] = "true"

    return shop.applied(*edits, mark)


def _ignored_namespace(run: CaseRun) -> None:
    labels = {"metadata": {"labels": {"prunella.dev/ignore": "true"}}}
    run.api.patch(f"/api/v1/namespaces/{run.namespace}", labels)
    shop.applied(shop.bad())(run)


def _someone(name: str, breaks: Any, **more: Any) -> Case:
    """A case that is escalated to a person, as the release is not to blame."""
    before, cause = more.pop("before", shop.applied(_TWO)), more.pop("cause", "environment_changed")
    return shop.escalated(name, before, breaks, more.pop("reason", "InnocentRelease"), cause, **more)


def _noise(name: str, breaks: Any, **more: Any) -> Case:
    """A case that must have no incident."""
    values = {"before": shop.applied(), "phase": None, "reason": "", "incidents": 0, "sample": shop.SAMPLE, **more}
    return Case(name, shop.NAME, breaks=breaks, **values)


def _missing(name: str, breaks: Any, **more: Any) -> Case:
    return _someone(name, breaks, reason="ConfigMissing", cause="config_missing", **more)


def _no_quota(name: str, breaks: Any, **more: Any) -> Case:
    return _someone(name, breaks, reason="QuotaExceeded", cause="quota_exceeded", **more)


def _first(name: str, reason: str, cause: str, *edits: shop.Edit) -> Case:
    return shop.escalated(name, None, shop.applied(*edits), reason, cause)


def _meanwhile(name: str, then: Any, phase: str, reason: str, **more: Any) -> Case:
    """A bad release, and people who do not wait."""
    values = {"phase": phase, "then": then, **more}
    return shop.escalated(
        name, shop.applied(), shop.applied(shop.bad()), reason, values.pop("cause", "bad_release"), **values
    )


def _put_back_later(run: CaseRun) -> None:
    def healed() -> bool:
        return [(incident.get("status") or {}).get("phase") for incident in run.incidents()] == ["Healed"]

    until(healed, 180, "it is repaired", every=0.5)
    run.api.apply(*shop.app(run, shop.bad()))


CASES = (
    _someone("bad-data", shop.restarted(_TWO, SHOP_EXIT_CODE="1", SHOP_EXIT_AFTER="0s")),
    _someone("data-says-no", shop.restarted(_TWO, SHOP_READY="false")),
    _missing("data-gone", _without_data),
    _missing("key-gone", shop.restarted(_KEY, _TWO), before=shop.applied(_KEY, _TWO, TOKEN="x")),
    _missing("account-gone", _without_account, before=_with_account),
    _someone("node-changed", _without_label, before=_on_labelled_node, reason="Unschedulable", cause="unschedulable"),
    _no_quota("quota-lowered", _quota("64Mi", shop.drop_pod), before=_quota("256Mi", shop.applied(_TWO))),
    _no_quota("quota-spent", shop.applied(shop.release(2)), before=_quota("64Mi", shop.applied())),
    _someone("stateful-bad-data", shop.restarted(_TWO, SHOP_EXIT_CODE="1", SHOP_EXIT_AFTER="0s"), kind="StatefulSet"),
    _someone(
        "daemon-bad-data",
        shop.restarted(SHOP_EXIT_CODE="1", SHOP_EXIT_AFTER="0s"),
        before=shop.applied(),
        kind="DaemonSet",
    ),
    shop.escalated(
        "limit-overwritten",
        shop.applied(_TWO, SHOP_MEMORY_MIB="24"),
        _lowered,
        "LimitOverwritten",
        "pod_oom_killed",
        then=_lowered_no_more,
    ),
    _first(
        "first-node",
        "Unschedulable",
        "unschedulable",
        shop.pods(nodeSelector={"shop.example.org/disk": "no-node-has-this"}),
    ),
    _first("first-image", "ImageUnavailable", "image_unavailable", shop.server(image="prunella.local/none:1")),
    _first(
        "first-not-allowed", "AdmissionRefused", "admission_refused", shop.server(securityContext={"privileged": True})
    ),
    _meanwhile("fixed-meanwhile", _fixed, "Recovered", "HealedByItself", policy=_PATIENT, cause=""),
    _meanwhile("deleted-meanwhile", _deleted("Confirming"), "Suppressed", "TargetDeleted", policy=_PATIENT, cause=""),
    _meanwhile("deleted-mid-repair", _deleted("Verifying"), "Escalated", "TargetDeleted", writes=1),
    _meanwhile("put-back-at-once", _put_back("Verifying"), "Escalated", "OwnedElsewhere", writes=1),
    _meanwhile("put-back", _put_back_later, "Escalated", "OwnedElsewhere", writes=1, incidents=2, about=1),
    _noise("pod-deleted", shop.drop_pod),
    _noise("pod-evicted", _evicted),
    _noise("restarted-by-hand", _restarted_by_hand),
    _noise("scaled-up-and-down", _up_and_down),
    _noise("scaled-to-zero", shop.applied(shop.replicas(0))),
    _noise("good-release", shop.applied(shop.release(2))),
    _noise("slow-release", shop.applied(shop.release(2), shop.probe("readinessProbe", initialDelaySeconds=50))),
    _noise("service-renamed", _no_pods_behind),
    _noise("pods-ignored", _ignored_pods(shop.bad()), before=_ignored_pods(), unrecorded=True),
    _noise("namespace-ignored", _ignored_namespace),
)
