"""Other kinds than Deployments: those that are repaired too, and those that are only reported."""

from collections.abc import Callable

from support.api import Object, until
from support.case_builders import NAME, Edit, app, applied, bad, handed_over, healed, pod_spec, replicas, restarted
from support.case_run import CaseRun

STATEFUL = {"kind": "StatefulSet", "deletes": 1}


def _recreated(run: CaseRun) -> None:
    """With the old object its ControllerRevisions are gone; ours are not."""
    run.api.delete(run.path, propagation="Foreground")
    until(lambda: run.api.find(run.path) is None, 60, "the StatefulSet is deleted")
    run.api.apply(*app(run, bad(), replicas(2)))


def _without_controller(run: CaseRun, kind: str, spec: Object) -> None:
    meta = {"name": NAME, "namespace": run.namespace}
    version = {"Pod": "v1", "Job": "batch/v1"}[kind]
    run.api.apply({"apiVersion": version, "kind": kind, "metadata": meta, "spec": spec})


def _bare_pod(run: CaseRun) -> None:
    _, one = app(run, bad())
    pod_spec(one)["containers"][0].pop("envFrom")
    _without_controller(run, "Pod", pod_spec(one))


def _job(run: CaseRun) -> None:
    _, one = app(run, bad())
    pod_spec(one)["containers"][0].pop("envFrom")
    pod_spec(one)["restartPolicy"] = "OnFailure"
    _without_controller(run, "Job", {"backoffLimit": 9, "template": {"spec": pod_spec(one)}})


def _scaled(*edits: Edit) -> Callable[[CaseRun], None]:
    """The number of replicas is the autoscaler's: the owner's manifest does not name it."""

    def act(run: CaseRun) -> None:
        objects = app(run, *edits)
        del objects[1]["spec"]["replicas"]
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME}
        meta = {"name": NAME, "namespace": run.namespace}
        spec = {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 3}
        scaler = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": meta, "spec": spec}
        run.api.apply(*objects, scaler)
        until(lambda: run.live()["spec"]["replicas"] == 2, 60, "the autoscaler has scaled")

    return act


CASES = (
    healed("stateful-release", applied(replicas(2)), applied(bad(), replicas(2)), "bad_release", **STATEFUL),
    healed(
        "stateful-oom",
        applied(replicas(2)),
        restarted(replicas(2), SHOP_MEMORY_MIB="90"),
        "pod_oom_killed",
        **STATEFUL,
    ),
    # Each raise and the undo between them meets a broken pod of its own.
    healed(
        "stateful-oom-twice",
        applied(),
        restarted(SHOP_MEMORY_MIB="150"),
        "pod_oom_killed",
        kind="StatefulSet",
        writes=3,
        deletes=3,
        spared=1,
        policy={"verification": {"window": "20s", "timeout": "90s"}},
    ),
    healed("stateful-recreated", applied(replicas(2)), _recreated, "bad_release", **STATEFUL),
    healed("daemon-release", applied(), applied(bad()), "bad_release", kind="DaemonSet"),
    handed_over("bare-pod", None, _bare_pod, "ReportOnly", "pod_crash_loop", kind="Pod"),
    handed_over("job", None, _job, "ReportOnly", "pod_crash_loop", kind="Job"),
    healed("autoscaled", _scaled(), _scaled(bad()), "bad_release"),
)
