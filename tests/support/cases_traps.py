"""Traps: what looks like a fault that Prunella repairs, and is another one or none. Little or nothing is written."""

from collections.abc import Callable
from typing import Any

from support import samples
from support.api import Object, until
from support.cases_causes import as_ready_as_ledger, ledger_says_no
from support.recipes import (
    NAME,
    SAMPLE,
    Edit,
    app,
    applied,
    bad,
    config_map,
    drop_pod,
    handed_over,
    limits_of_namespace,
    pod_spec,
    pods,
    probe,
    release,
    replicas,
    restarted,
    server,
    spec,
)
from support.stage import Case, Scene

_CRASHES = {"SHOP_EXIT_CODE": "1", "SHOP_EXIT_AFTER": "0s"}
_RECREATED = spec(strategy={"type": "Recreate"})
_ALL_AT_ONCE = spec(strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": "100%"}})
_GATE = "shop.example.org/open"
_GATED = pods(readinessGates=[{"conditionType": _GATE}])
_ON_DELETE = spec(updateStrategy={"type": "OnDelete"})
_LATE = probe("readinessProbe", initialDelaySeconds=40)
_SLOW_STOP: tuple[Edit, ...] = (
    _RECREATED,
    pods(terminationGracePeriodSeconds=60),
    server(lifecycle={"preStop": {"sleep": {"seconds": 40}}}),
)
_ALONE = pods(
    affinity={
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {
                    "labelSelector": {"matchLabels": {"app.kubernetes.io/name": NAME}},
                    "topologyKey": "kubernetes.io/hostname",
                }
            ]
        }
    }
)


def _replaced_by_hand(scene: Scene) -> None:
    applied(bad(), _ON_DELETE)(scene)
    drop_pod(scene)


def ours(scene: Scene) -> list[Object]:
    """The live pods of the workload."""
    return [pod for pod in scene.api.pods(scene.namespace) if pod["metadata"]["name"].startswith(f"{NAME}-")]


def statuses(pods: list[Object]) -> list[Object]:
    return [containerstatuse for pod in pods for containerstatuse in pod["status"].get("containerStatuses", ())]


def _killed_once(scene: Scene) -> None:
    """One OOM kill that does not come again: by its next start the data is small once more."""
    asks = as_ready_as_ledger(scene)
    restarted(asks, SHOP_MEMORY_MIB="90", SHOP_MEMORY_AFTER="10s")(scene)

    def has_read() -> bool:
        fresh = [our for our in ours(scene) if our["metadata"]["name"] not in scene.pods]
        return any(status["state"].get("running") for status in statuses(fresh))

    until(has_read, 60, "the new pod has read its data")
    scene.api.apply(app(scene, asks)[0])


def _then_says_no(scene: Scene) -> None:
    until(lambda: _phases(scene) == ["Recovered"], 180, "it is well again", every=0.5)
    ledger_says_no(scene)


def _phases(scene: Scene) -> list[Any]:
    return [(incident.get("status") or {}).get("phase") for incident in scene.incidents()]


def _asking(scene: Scene) -> None:
    applied(as_ready_as_ledger(scene))(scene)


def _checksum(value: str) -> Edit:
    """What charts write into a template so that its pods are replaced when the data changes."""

    def edit(obj: Object) -> None:
        obj["spec"]["template"]["metadata"]["annotations"] = {"checksum/config": value}

    return edit


def _restarted_into_bad_data(scene: Scene) -> None:
    config_map(scene, **_CRASHES)
    mark = {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}
    scene.api.patch(scene.path, {"spec": {"template": {"metadata": {"annotations": mark}}}})


def _with_settings(scene: Scene) -> None:
    meta = {"name": "settings-1", "namespace": scene.namespace}
    scene.api.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"SHOP_READY": "true"}})
    sources = [{"configMapRef": {"name": one}} for one in (NAME, "settings-1")]
    applied(_RECREATED, server(envFrom=sources))(scene)


def _without_settings(scene: Scene) -> None:
    """A bad release, and its tool cleans up what only the release before needed."""
    applied(_RECREATED, bad())(scene)
    scene.api.delete(f"/api/v1/namespaces/{scene.namespace}/configmaps/settings-1")


def _gate(scene: Scene, status: str, pods: list[Object]) -> None:
    """What a load balancer's controller does to the pods behind it."""
    for pod in pods:
        kept = [condition for condition in pod["status"].get("conditions", ()) if condition["type"] != _GATE]
        body = {"status": {"conditions": [*kept, {"type": _GATE, "status": status}]}}
        scene.api.patch(f"/api/v1/namespaces/{scene.namespace}/pods/{pod['metadata']['name']}/status", body)


def _gates_opened(scene: Scene) -> None:
    applied(_GATED, replicas(2))(scene)
    until(lambda: [status["ready"] for status in statuses(ours(scene))] == [True] * 2, 90, "both would be ready")
    _gate(scene, "True", ours(scene))


def _gate_closed(scene: Scene) -> None:
    _gate(scene, "False", ours(scene)[:1])


def _with_budget(scene: Scene) -> None:
    selector = {"matchLabels": {"app.kubernetes.io/name": NAME}}
    meta = {"name": NAME, "namespace": scene.namespace}
    budget = {"selector": selector, "minAvailable": 1}
    scene.api.apply({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta, "spec": budget})
    applied(_ALL_AT_ONCE, replicas(2))(scene)


def _limit_put_back(scene: Scene) -> None:
    """Somebody's controller holds the limit where it was."""
    scene.when(lambda status: status.get("phase") == "Verifying", "it is being verified")
    scene.api.apply(*app(scene, SHOP_MEMORY_MIB="90"))


def _without_limit(obj: Object) -> None:
    del samples.container(obj)["resources"]["limits"]


def _default_limit(scene: Scene) -> None:
    bounds = {"type": "Container", "default": {"memory": "64Mi"}, "defaultRequest": {"memory": "16Mi"}}
    limits_of_namespace(scene, "LimitRange", limits=[bounds])
    applied(_without_limit)(scene)


def _cron_job(scene: Scene) -> None:
    _, one = app(scene, bad())
    pod_spec(one)["containers"][0].pop("envFrom")
    pod_spec(one)["restartPolicy"] = "Never"
    job = {"spec": {"backoffLimit": 0, "template": {"spec": pod_spec(one)}}}
    meta = {"name": NAME, "namespace": scene.namespace}
    runs = {"schedule": "* * * * *", "concurrencyPolicy": "Forbid", "jobTemplate": job}
    scene.api.apply({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": meta, "spec": runs})


def _never_gone(scene: Scene) -> None:
    """A pod that is deleted and stays, as nobody takes its finalizer away; its successor serves."""
    (pod,) = ours(scene)
    path = f"/api/v1/namespaces/{scene.namespace}/pods/{pod['metadata']['name']}"
    scene.api.patch(path, {"metadata": {"finalizers": ["shop.example.org/backup"]}})
    scene.api.delete(path)
    until(lambda: any(status["ready"] for status in statuses(ours(scene))), 90, "its successor serves")
    scene.api.patch(path, {"metadata": {"finalizers": None}})


def _twin(scene: Scene) -> None:
    """Another Deployment, whose broken pods bear all labels that ours have."""
    _, one = app(scene, bad(1))
    one["metadata"] = {**one["metadata"], "name": "twin", "labels": {"prunella.dev/ignore": "true"}}
    scene.api.apply(one)

    def crashes() -> bool:
        return any(status["restartCount"] >= 2 for status in statuses(list(scene.api.pods(scene.namespace))))

    until(crashes, 90, "the twin crashes")


def _opt_out(scene: Scene) -> None:
    scene.when(lambda status: status.get("phase") == "Confirming", "it is being confirmed")
    scene.api.patch(scene.path, {"metadata": {"labels": {"prunella.dev/ignore": "true"}}})


def _false_alarm(scene: Scene) -> None:
    (one,) = samples.load("dry-run", "incident.yaml", scene.namespace)
    one["metadata"]["generateName"] = "by-hand-"
    one["spec"] = {"target": {**one["spec"]["target"], "name": NAME}, "type": "PodCrashLoop"}
    scene.api.apply(one)


def _to_a_person(name: str, before: Any, breaks: Any, reason: str = "InnocentRelease", **more: Any) -> Case:
    return handed_over(name, before, breaks, reason, more.pop("cause", "pod_crash_loop"), **more)


def _closed(name: str, phase: str, reason: str, breaks: Callable[[Scene], None], **more: Any) -> Case:
    values: dict[str, Any] = {"before": applied(), "sample": SAMPLE, **more}
    return Case(name, NAME, breaks=breaks, phase=phase, reason=reason, **values)


def _noise(name: str, breaks: Callable[[Scene], None], *edits: Edit) -> Case:
    values: dict[str, Any] = {"before": applied(*edits), "sample": SAMPLE, "phase": None, "incidents": 0}
    return Case(name, NAME, breaks=breaks, reason="", **values)


CASES = (
    _to_a_person(
        "killed-long-ago", _asking, _killed_once, then=_then_says_no, incidents=2, about=1, policy={"grace": "15s"}
    ),
    _to_a_person("config-checksum", applied(_checksum("a")), applied(_checksum("b"), **_CRASHES)),
    _to_a_person("restarted-into-bad-data", applied(), _restarted_into_bad_data),
    _to_a_person(
        "good-release-gone",
        _with_settings,
        _without_settings,
        "RollbackDidNotHelp",
        writes=2,
        cause="bad_release",
    ),
    _to_a_person("gate-closed", _gates_opened, _gate_closed),
    _to_a_person("scaled-too-far", applied(_ALONE, _RECREATED), applied(_ALONE, _RECREATED, replicas(2))),
    _to_a_person(
        "daemon-by-hand", applied(_ON_DELETE), _replaced_by_hand, "OnDelete", cause="bad_release", kind="DaemonSet"
    ),
    _to_a_person("cron-job", None, _cron_job, "ReportOnly", kind="CronJob"),
    _to_a_person(
        "oom-disruption",
        _with_budget,
        restarted(_ALL_AT_ONCE, replicas(2), SHOP_MEMORY_MIB="90"),
        "DisruptionBudget",
        cause="pod_oom_killed",
    ),
    _to_a_person(
        "limit-put-back",
        applied(),
        restarted(SHOP_MEMORY_MIB="90"),
        "OwnedElsewhere",
        cause="pod_oom_killed",
        writes=1,
        then=_limit_put_back,
    ),
    _to_a_person(
        "oom-default-limit",
        _default_limit,
        restarted(_without_limit, SHOP_MEMORY_MIB="90"),
        "NoMemoryLimit",
        cause="pod_oom_killed",
    ),
    _closed("false-alarm", "Recovered", "HealedByItself", _false_alarm),
    _closed(
        "short-deadline", "Recovered", "HealedByItself", applied(release(2), _LATE, spec(progressDeadlineSeconds=10))
    ),
    _closed(
        "opted-out-meanwhile",
        "Suppressed",
        "Ignored",
        applied(bad()),
        then=_opt_out,
        cause="bad_release",
        policy={"grace": "25s"},
    ),
    _noise("never-gone", _never_gone),
    _noise("same-labels", _twin),
    _noise("slow-stop", applied(*_SLOW_STOP, release(2)), *_SLOW_STOP),
)
