"""The faults of the e2e tests: the samples, and others that only a test needs."""

from typing import Any

from support import samples
from support.api import Object, until
from support.cases import (
    alarms,
    bystanders,
    causes,
    correlation,
    guards,
    innocent,
    kinds,
    memory,
    oddities,
    owners,
    patience,
    people,
    places,
    progress,
    refusals,
    relapses,
    releases,
    rights,
    shared,
    small,
    tenants,
    traps,
)
from support.cases.builders import SERVED, with_ledger, without_ledger
from support.cases.run import Case, CaseRun

TRACKING = "argocd.argoproj.io/tracking-id"
_IGNORED = ("labels", "prunella.dev/ignore", "true")
_TRACKED = ("annotations", TRACKING, "shop:apps/Deployment:{namespace}/checkout")


def _sample(file: str) -> Any:
    def apply(run: CaseRun) -> None:
        run.api.apply(*run.load(file))

    return apply


_before, _break = _sample("before.yaml"), _sample("break.yaml")


def _with_sidecar(file: str) -> Any:
    """A second container, so that a repair of the wrong one, or of both, would be seen."""

    def apply(run: CaseRun) -> None:
        objects = run.load(file)
        containers = samples.deployment(objects)["spec"]["template"]["spec"]["containers"]
        sidecar = {key: value for key, value in containers[0].items() if key not in {"envFrom", "ports"}}
        probe = {"httpGet": {"path": "/readyz", "port": 8081}, "periodSeconds": 1}
        env = [{"name": "SHOP_PORT", "value": "8081"}]
        containers.insert(0, {**sidecar, "name": "sidecar", "env": env, "readinessProbe": probe})
        run.api.apply(*objects)

    return apply


def _outgrown_twice(run: CaseRun) -> None:
    """More than the first raise gives, less than the second."""
    objects = run.load("break.yaml")
    next(obj for obj in objects if obj["kind"] == "ConfigMap")["data"]["SHOP_MEMORY_MIB"] = "150"
    run.api.apply(*objects)


def _busy_release(run: CaseRun) -> None:
    """A bad release that also changes what is no part of the template: none of that may be rolled back."""
    objects = run.load("break.yaml")
    deployment = samples.deployment(objects)
    deployment["metadata"]["annotations"] = {"shop.example.org/owner": "team-b", "shop.example.org/ticket": "4711"}
    deployment["metadata"]["labels"]["shop.example.org/stage"] = "two"
    deployment["spec"]["replicas"] = 3
    run.api.apply(*objects)


def _two_releases(run: CaseRun) -> None:
    run.api.apply(*run.load("break-1.yaml"))
    path = f"/apis/apps/v1/namespaces/{run.namespace}/replicasets"
    until(lambda: len(run.api.items(path)) == 2, 30, "the first bad release is a revision", every=0.05)
    run.api.apply(*run.load("break-2.yaml"))


def _dry_run(run: CaseRun) -> None:
    run.api.apply(*run.load("break.yaml", "oom-killed"), *run.load("incident.yaml"))


def _by_hand(run: CaseRun) -> None:
    """A person reports the fault at the same moment as Prunella sees it."""
    (incident,) = samples.load("dry-run", "incident.yaml", run.namespace)
    incident["metadata"]["generateName"] = "checkout-by-hand-"
    target = {**incident["spec"]["target"], "name": "checkout"}
    incident["spec"] = {"target": target, "type": "PodCrashLoop", "description": "The shop is down!"}
    run.api.apply(*run.load("break.yaml"), incident)


def _recreated(run: CaseRun) -> None:
    """Recreate the workload, as many fault injectors do: its whole history goes with the old object."""
    run.api.delete(run.path, propagation="Foreground")
    until(lambda: run.api.find(run.path) is None, 60, "the Deployment is deleted")
    run.api.apply(*run.load("break.yaml"))


def _marked(file: str, kind: str, name: str, value: str) -> Any:
    """The sample's Deployment with a label or an annotation; `{namespace}` stands for the case's own."""

    def apply(run: CaseRun) -> None:
        objects = run.load(file)
        samples.deployment(objects)["metadata"].setdefault(kind, {})[name] = value.format(namespace=run.namespace)
        run.api.apply(*objects)

    return apply


def _paused(run: CaseRun) -> None:
    """A paused rollout still scales, so its new pod runs out of memory although no release may go out."""
    objects = run.load("break.yaml")
    samples.deployment(objects)["spec"]["paused"] = True
    run.api.apply(*objects)


def _single_before(run: CaseRun) -> None:
    objects = run.load("before.yaml")
    samples.deployment(objects)["spec"]["replicas"] = 1
    run.api.apply(*objects)


def _recovering(run: CaseRun) -> None:
    """It crashes at its first two starts, and runs from the third on, after the kubelet's 10 seconds of back-off."""
    objects = run.load("before.yaml")
    deployment = samples.deployment(objects)
    deployment["spec"]["replicas"] = 1
    pod = deployment["spec"]["template"]["spec"]
    pod["volumes"] = [{"name": "state", "emptyDir": {}}]
    samples.container(deployment)["volumeMounts"] = [{"name": "state", "mountPath": "/state"}]
    pod["securityContext"]["fsGroup"] = 65532
    samples.set_env(deployment, SHOP_EXIT_CODE="1", SHOP_EXIT_AFTER="0s", SHOP_EXIT_TIMES="2", SHOP_STATE_DIR="/state")
    run.api.apply(*objects)


def _ghost(run: CaseRun) -> None:
    (incident,) = samples.load("dry-run", "incident.yaml", run.namespace)
    incident["metadata"]["generateName"] = "nowhere-"
    incident["spec"] = {**incident["spec"], "mode": "Heal", "target": {**incident["spec"]["target"], "name": "nowhere"}}
    run.api.apply(incident)


def _dependent(run: CaseRun, file: str) -> list[Object]:
    """A workload that needs another one at its start, and whose pods are all replaced by a release."""
    objects = run.load(file)
    deployment = samples.deployment(objects)
    deployment["spec"]["strategy"] = {"type": "Recreate"}
    container = samples.container(deployment)
    container["env"] = [{"name": "SHOP_DEPENDS_ON", "value": "$(LEDGER_SERVICE_HOST):8080"}]
    return objects


def _with_dependency(run: CaseRun) -> None:
    with_ledger(run)
    run.api.apply(*_dependent(run, "before.yaml"))


def _dependency_down(run: CaseRun) -> None:
    without_ledger(run)
    run.api.apply(*_dependent(run, "break.yaml"))


def _rolled_back(name: str, workload: str, **more: Any) -> Case:
    values: dict[str, Any] = {"before": _before, "breaks": _break, "phase": "Healed", "reason": SERVED}
    return Case(name, workload, **{**values, "cause": "bad_release", "writes": 1, **more})


def _left_alone(name: str, workload: str, phase: str | None, reason: str, **more: Any) -> Case:
    return Case(name, workload, **{"before": _before, "breaks": _break, "phase": phase, "reason": reason, **more})


LARGER = (
    *(people, kinds, memory, causes, guards, releases, innocent, correlation, traps, oddities, bystanders),
    *(patience, progress, refusals, places, shared, relapses, owners, tenants, alarms, small, rights),
)
CASES: dict[str, Case] = {
    case.name: case
    for case in (
        Case(
            "oom-killed",
            "recommendations",
            before=_with_sidecar("before.yaml"),
            breaks=_with_sidecar("break.yaml"),
            phase="Healed",
            reason="Stable",
            cause="pod_oom_killed",
            writes=1,
        ),
        Case(
            "oom-twice",
            "recommendations",
            sample="oom-killed",
            before=_before,
            breaks=_outgrown_twice,
            phase="Healed",
            reason="Stable",
            cause="pod_oom_killed",
            writes=3,
        ),
        _rolled_back("bad-release", "checkout", breaks=_busy_release),
        _rolled_back("by-hand", "checkout", sample="bad-release", breaks=_by_hand),
        _rolled_back("two-bad-releases", "cart", breaks=_two_releases),
        _rolled_back("image-pull", "search"),
        _rolled_back("config-error", "orders"),
        _rolled_back("rollout-stuck", "inventory"),
        _rolled_back("init-crash", "shipping"),
        _rolled_back("recreated", "checkout", sample="bad-release", breaks=_recreated, reason="Stable"),
        _left_alone("first-release", "wishlist", "Escalated", "NoKnownGoodRevision", before=None, cause="bad_release"),
        _left_alone("oom-at-max", "thumbnails", "Escalated", "MemoryAtMaximum", cause="pod_oom_killed"),
        _left_alone(
            "dry-run",
            "recommendations",
            "DryRunDone",
            "DryRun",
            before=lambda run: run.api.apply(*run.load("before.yaml", "oom-killed")) and None,
            breaks=_dry_run,
            cause="pod_oom_killed",
            # Prunella sees the fault by itself as well; so that it writes nothing either, it has to ask first.
            policy={"approval": {"when": "Always"}},
            incidents=2,
        ),
        _left_alone(
            "observed-only",
            "checkout",
            "DryRunDone",
            "ObserveMode",
            cause="bad_release",
            policy=None,
            unrecorded=True,
        ),
        _left_alone(
            "opted-out",
            "checkout",
            None,
            "",
            sample="bad-release",
            before=_marked("before.yaml", *_IGNORED),
            breaks=_marked("break.yaml", *_IGNORED),
            incidents=0,
            unrecorded=True,
        ),
        _left_alone(
            "paused",
            "recommendations",
            "Escalated",
            "Paused",
            sample="oom-killed",
            breaks=_paused,
            cause="pod_oom_killed",
        ),
        _left_alone(
            "recovering",
            "checkout",
            "Recovered",
            "HealedByItself",
            sample="bad-release",
            before=_single_before,
            breaks=_recovering,
            policy={"grace": "40s"},
        ),
        _left_alone("no-such-target", "", "Failed", "NotFound", before=None, breaks=_ghost),
        _left_alone(
            "gitops",
            "checkout",
            "Escalated",
            "OwnedElsewhere",
            sample="bad-release",
            before=_marked("before.yaml", *_TRACKED),
            breaks=_marked("break.yaml", *_TRACKED),
            cause="bad_release",
        ),
        _left_alone(
            "dependency-down",
            "checkout",
            "Escalated",
            "DependencyDown",
            sample="bad-release",
            before=_with_dependency,
            breaks=_dependency_down,
            cause="dependency_down",
        ),
        *(case for more in LARGER for case in more.CASES),
    )
}

FAULTS = frozenset(case.name for more in LARGER for case in more.CASES)
"""The cases of the larger fault suite (`make faults`); `make test` plays the others."""
