"""Traps: they look like a fault that Prunella repairs, but are another one or none. Little or nothing is written."""

from collections.abc import Callable
from typing import Any

from support import samples
from support.api import Object, until
from support.cases import builders as shop
from support.cases.causes import as_ready_as_ledger, ledger_says_no
from support.cases.run import Case, CaseRun

_CRASHES = {"SHOP_EXIT_CODE": "1", "SHOP_EXIT_AFTER": "0s"}
_RECREATED = shop.spec(strategy={"type": "Recreate"})
_ALL_AT_ONCE = shop.spec(strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": "100%"}})
_GATE = "shop.example.org/open"
GATED = shop.pods(readinessGates=[{"conditionType": _GATE}])
_ON_DELETE = shop.spec(updateStrategy={"type": "OnDelete"})
_LATE = shop.probe("readinessProbe", initialDelaySeconds=40)
_SLOW_STOP: tuple[shop.Edit, ...] = (
    _RECREATED,
    shop.pods(terminationGracePeriodSeconds=60),
    shop.server(lifecycle={"preStop": {"sleep": {"seconds": 40}}}),
)
_ALONE = shop.pods(
    affinity={
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {
                    "labelSelector": {"matchLabels": {"app.kubernetes.io/name": shop.NAME}},
                    "topologyKey": "kubernetes.io/hostname",
                }
            ]
        }
    }
)


def _replaced_by_hand(run: CaseRun) -> None:
    shop.applied(shop.bad(), _ON_DELETE)(run)
    shop.drop_pod(run)


def ours(run: CaseRun) -> list[Object]:
    """The live pods of the workload."""
    return [pod for pod in run.api.pods(run.namespace) if pod["metadata"]["name"].startswith(f"{shop.NAME}-")]


def statuses(pods: list[Object]) -> list[Object]:
    return [status for pod in pods for status in pod["status"].get("containerStatuses", ())]


def _killed_once(run: CaseRun) -> None:
    """One OOM kill that does not come again: by its next start the data is small once more."""
    asks = as_ready_as_ledger(run)
    shop.restarted(asks, SHOP_MEMORY_MIB="90", SHOP_MEMORY_AFTER="10s")(run)

    def has_read() -> bool:
        fresh = [pod for pod in ours(run) if pod["metadata"]["name"] not in run.pods]
        return any(status["state"].get("running") for status in statuses(fresh))

    until(has_read, 60, "the new pod has read its data")
    run.api.apply(shop.app(run, asks)[0])


def _then_says_no(run: CaseRun) -> None:
    until(lambda: _phases(run) == ["Recovered"], 180, "it is well again", every=0.5)
    ledger_says_no(run)


def _phases(run: CaseRun) -> list[Any]:
    return [(incident.get("status") or {}).get("phase") for incident in run.incidents()]


def _asking(run: CaseRun) -> None:
    shop.applied(as_ready_as_ledger(run))(run)


def _checksum(value: str) -> shop.Edit:
    """Write a checksum into the template, as charts do so that pods are replaced when the data changes."""

    def edit(obj: Object) -> None:
        obj["spec"]["template"]["metadata"]["annotations"] = {"checksum/config": value}

    return edit


def _restarted_into_bad_data(run: CaseRun) -> None:
    shop.config_map(run, **_CRASHES)
    mark = {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}
    run.api.patch(run.path, {"spec": {"template": {"metadata": {"annotations": mark}}}})


def _with_settings(run: CaseRun) -> None:
    meta = {"name": "settings-1", "namespace": run.namespace}
    run.api.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"SHOP_READY": "true"}})
    sources = [{"configMapRef": {"name": name}} for name in (shop.NAME, "settings-1")]
    shop.applied(_RECREATED, shop.server(envFrom=sources))(run)


def _without_settings(run: CaseRun) -> None:
    """A bad release, and its tool cleans up what only the release before needed."""
    shop.applied(_RECREATED, shop.bad())(run)
    run.api.delete(f"/api/v1/namespaces/{run.namespace}/configmaps/settings-1")


def set_gate(run: CaseRun, status: str, pods: list[Object]) -> None:
    """Set the readiness gate of pods, as a load balancer's controller does."""
    for pod in pods:
        kept = [condition for condition in pod["status"].get("conditions", ()) if condition["type"] != _GATE]
        body = {"status": {"conditions": [*kept, {"type": _GATE, "status": status}]}}
        run.api.patch(f"/api/v1/namespaces/{run.namespace}/pods/{pod['metadata']['name']}/status", body)


def _gates_opened(run: CaseRun) -> None:
    shop.applied(GATED, shop.replicas(2))(run)
    until(lambda: [status["ready"] for status in statuses(ours(run))] == [True] * 2, 90, "both would be ready")
    set_gate(run, "True", ours(run))


def _gate_closed(run: CaseRun) -> None:
    set_gate(run, "False", ours(run)[:1])


def _with_budget(run: CaseRun) -> None:
    selector = {"matchLabels": {"app.kubernetes.io/name": shop.NAME}}
    meta = {"name": shop.NAME, "namespace": run.namespace}
    budget = {"selector": selector, "minAvailable": 1}
    run.api.apply({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta, "spec": budget})
    shop.applied(_ALL_AT_ONCE, shop.replicas(2))(run)


def _limit_put_back(run: CaseRun) -> None:
    """Another controller restores the limit."""
    run.when(lambda status: status.get("phase") == "Verifying", "it is being verified")
    run.api.apply(*shop.app(run, SHOP_MEMORY_MIB="90"))


def _without_limit(obj: Object) -> None:
    del samples.container(obj)["resources"]["limits"]


def _default_limit(run: CaseRun) -> None:
    bounds = {"type": "Container", "default": {"memory": "64Mi"}, "defaultRequest": {"memory": "16Mi"}}
    shop.limits_of_namespace(run, "LimitRange", limits=[bounds])
    shop.applied(_without_limit)(run)


def _cron_job(run: CaseRun) -> None:
    _, workload = shop.app(run, shop.bad())
    shop.pod_spec(workload)["containers"][0].pop("envFrom")
    shop.pod_spec(workload)["restartPolicy"] = "Never"
    job = {"spec": {"backoffLimit": 0, "template": {"spec": shop.pod_spec(workload)}}}
    meta = {"name": shop.NAME, "namespace": run.namespace}
    runs = {"schedule": "* * * * *", "concurrencyPolicy": "Forbid", "jobTemplate": job}
    run.api.apply({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": meta, "spec": runs})


def _never_gone(run: CaseRun) -> None:
    """A deleted pod that stays because its finalizer is not removed; its successor serves."""
    (pod,) = ours(run)
    path = f"/api/v1/namespaces/{run.namespace}/pods/{pod['metadata']['name']}"
    run.api.patch(path, {"metadata": {"finalizers": ["shop.example.org/backup"]}})
    run.api.delete(path)
    until(lambda: any(status["ready"] for status in statuses(ours(run))), 90, "its successor serves")
    run.api.patch(path, {"metadata": {"finalizers": None}})


def _twin(run: CaseRun) -> None:
    """Another Deployment whose broken pods have all labels of ours."""
    _, workload = shop.app(run, shop.bad(1))
    workload["metadata"] = {**workload["metadata"], "name": "twin", "labels": {"prunella.dev/ignore": "true"}}
    run.api.apply(workload)

    def crashes() -> bool:
        return any(status["restartCount"] >= 2 for status in statuses(list(run.api.pods(run.namespace))))

    until(crashes, 90, "the twin crashes")


def _opt_out(run: CaseRun) -> None:
    run.when(lambda status: status.get("phase") == "Confirming", "it is being confirmed")
    run.api.patch(run.path, {"metadata": {"labels": {"prunella.dev/ignore": "true"}}})


def _false_alarm(run: CaseRun) -> None:
    (incident,) = samples.load("dry-run", "incident.yaml", run.namespace)
    incident["metadata"]["generateName"] = "by-hand-"
    incident["spec"] = {"target": {**incident["spec"]["target"], "name": shop.NAME}, "type": "PodCrashLoop"}
    run.api.apply(incident)


def _to_a_person(name: str, before: Any, breaks: Any, reason: str = "InnocentRelease", **more: Any) -> Case:
    return shop.escalated(name, before, breaks, reason, more.pop("cause", "environment_changed"), **more)


def _closed(name: str, phase: str, reason: str, breaks: Callable[[CaseRun], None], **more: Any) -> Case:
    values: dict[str, Any] = {"before": shop.applied(), "sample": shop.SAMPLE, **more}
    return Case(name, shop.NAME, breaks=breaks, phase=phase, reason=reason, **values)


def _noise(name: str, breaks: Callable[[CaseRun], None], *edits: shop.Edit) -> Case:
    values: dict[str, Any] = {"before": shop.applied(*edits), "sample": shop.SAMPLE, "phase": None, "incidents": 0}
    return Case(name, shop.NAME, breaks=breaks, reason="", **values)


CASES = (
    _to_a_person(
        "killed-long-ago",
        _asking,
        _killed_once,
        "DependencyDown",
        cause="dependency_down",
        then=_then_says_no,
        incidents=2,
        about=1,
        policy={"grace": "15s"},
    ),
    _to_a_person("config-checksum", shop.applied(_checksum("a")), shop.applied(_checksum("b"), **_CRASHES)),
    _to_a_person("restarted-into-bad-data", shop.applied(), _restarted_into_bad_data),
    _to_a_person(
        "good-release-gone",
        _with_settings,
        _without_settings,
        "RollbackDidNotHelp",
        writes=2,
    ),
    _to_a_person("gate-closed", _gates_opened, _gate_closed),
    _to_a_person(
        "scaled-too-far",
        shop.applied(_ALONE, _RECREATED),
        shop.applied(_ALONE, _RECREATED, shop.replicas(2)),
        "Unschedulable",
        cause="unschedulable",
    ),
    _to_a_person(
        "daemon-by-hand", shop.applied(_ON_DELETE), _replaced_by_hand, "OnDelete", cause="bad_release", kind="DaemonSet"
    ),
    _to_a_person("cron-job", None, _cron_job, "ReportOnly", cause="pod_crash_loop", kind="CronJob"),
    _to_a_person(
        "oom-disruption",
        _with_budget,
        shop.restarted(_ALL_AT_ONCE, shop.replicas(2), SHOP_MEMORY_MIB="90"),
        "DisruptionBudget",
        cause="pod_oom_killed",
        policy={"actions": ["SetMemory"]},  # resized in place, nothing would be disrupted
    ),
    _to_a_person(
        "limit-put-back",
        shop.applied(),
        shop.restarted(SHOP_MEMORY_MIB="90"),
        "OwnedElsewhere",
        cause="pod_oom_killed",
        writes=1,
        then=_limit_put_back,
    ),
    _to_a_person(
        "oom-default-limit",
        _default_limit,
        shop.restarted(_without_limit, SHOP_MEMORY_MIB="90"),
        "NoMemoryLimit",
        cause="pod_oom_killed",
    ),
    _closed("false-alarm", "Recovered", "HealedByItself", _false_alarm),
    _closed(
        "short-deadline",
        "Recovered",
        "HealedByItself",
        shop.applied(shop.release(2), _LATE, shop.spec(progressDeadlineSeconds=10)),
    ),
    _closed(
        "opted-out-meanwhile",
        "Suppressed",
        "Ignored",
        shop.applied(shop.bad()),
        then=_opt_out,
        cause="bad_release",
        policy={"grace": "25s"},
    ),
    _noise("never-gone", _never_gone),
    _noise("same-labels", _twin),
    _noise("slow-stop", shop.applied(*_SLOW_STOP, shop.release(2)), *_SLOW_STOP),
)
