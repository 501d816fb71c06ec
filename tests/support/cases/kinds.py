"""Other kinds than Deployments: those that are repaired too, and those that are only reported."""

from collections.abc import Callable

from support.api import Object, until
from support.cases import builders as shop
from support.cases.run import CaseRun

STATEFUL = {"kind": "StatefulSet", "deletes": 1}


def _recreated(run: CaseRun) -> None:
    """With the old object its ControllerRevisions are gone; ours are not."""
    run.api.delete(run.path, propagation="Foreground")
    until(lambda: run.api.find(run.path) is None, 60, "the StatefulSet is deleted")
    run.api.apply(*shop.app(run, shop.bad(), shop.replicas(2)))


def _without_controller(run: CaseRun, kind: str, spec: Object) -> None:
    meta = {"name": shop.NAME, "namespace": run.namespace}
    version = {"Pod": "v1", "Job": "batch/v1"}[kind]
    run.api.apply({"apiVersion": version, "kind": kind, "metadata": meta, "spec": spec})


def _bare_pod(run: CaseRun) -> None:
    _, workload = shop.app(run, shop.bad())
    shop.pod_spec(workload)["containers"][0].pop("envFrom")
    _without_controller(run, "Pod", shop.pod_spec(workload))


def _job(run: CaseRun) -> None:
    _, workload = shop.app(run, shop.bad())
    shop.pod_spec(workload)["containers"][0].pop("envFrom")
    shop.pod_spec(workload)["restartPolicy"] = "OnFailure"
    _without_controller(run, "Job", {"backoffLimit": 9, "template": {"spec": shop.pod_spec(workload)}})


def _scaled(*edits: shop.Edit) -> Callable[[CaseRun], None]:
    """The number of replicas is the autoscaler's: the owner's manifest does not name it."""

    def act(run: CaseRun) -> None:
        objects = shop.app(run, *edits)
        del objects[1]["spec"]["replicas"]
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": shop.NAME}
        meta = {"name": shop.NAME, "namespace": run.namespace}
        spec = {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 3}
        scaler = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": meta, "spec": spec}
        run.api.apply(*objects, scaler)
        until(lambda: run.live()["spec"]["replicas"] == 2, 60, "the autoscaler has scaled")

    return act


CASES = (
    shop.healed(
        "stateful-release",
        shop.applied(shop.replicas(2)),
        shop.applied(shop.bad(), shop.replicas(2)),
        "bad_release",
        **STATEFUL,
    ),
    shop.healed(
        "stateful-oom",
        shop.applied(shop.replicas(2)),
        shop.restarted(shop.replicas(2), SHOP_MEMORY_MIB="90"),
        "pod_oom_killed",
        **STATEFUL,
    ),
    # Each raise and the undo between them meets a broken pod of its own.
    shop.healed(
        "stateful-oom-twice",
        shop.applied(),
        shop.restarted(SHOP_MEMORY_MIB="150"),
        "pod_oom_killed",
        kind="StatefulSet",
        writes=3,
        deletes=3,
        spared=1,
        policy={"verification": {"window": "20s", "timeout": "90s"}},
    ),
    shop.healed("stateful-recreated", shop.applied(shop.replicas(2)), _recreated, "bad_release", **STATEFUL),
    shop.healed("daemon-release", shop.applied(), shop.applied(shop.bad()), "bad_release", kind="DaemonSet"),
    shop.escalated("bare-pod", None, _bare_pod, "ReportOnly", "pod_crash_loop", kind="Pod"),
    shop.escalated("job", None, _job, "ReportOnly", "pod_crash_loop", kind="Job"),
    shop.rolled_back("autoscaled", _scaled(), _scaled(shop.bad())),
)
