"""Kinds that are only reported, as views: Jobs and CronJobs, which come to an end, bare pods, ReplicaSets of others."""

from collections.abc import Iterable

from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.views.workloads import controller_of, pod_revision, template_of
from prunella_workflows.model.workload import JobView, Outcome, WorkloadView

_PHASES = {"Succeeded": Outcome.COMPLETE, "Failed": Outcome.FAILED}
_ENDS = {"Complete": Outcome.COMPLETE, "Failed": Outcome.FAILED}


def reported(raw: Object, view: WorkloadView, jobs: Iterable[Object] = ()) -> WorkloadView:
    """The view of a kind that has no replicas to count; other kinds as they are. `jobs` are a CronJob's."""
    match view.ref.kind:
        case "Pod":
            facts = _of_pod(raw)
        case "ReplicaSet":
            facts = {"revision": _revision(raw), "updated_replicas": view.total_replicas}
        case "Job":
            facts = {"run": _run(raw)}
        case "CronJob":
            latest = latest_of(jobs)
            facts = {"run": _run(latest) if latest is not None else None}
        case _:
            return view
    return view.model_copy(update=facts)


def owned_by(jobs: Iterable[Object], uid: str) -> list[Object]:
    """The Jobs that a CronJob made."""
    owners = ((job, controller_of(job)) for job in jobs)
    return [one for one, owner in owners if owner is not None and owner.uid == uid]


def latest_of(jobs: Iterable[Object]) -> Object | None:
    """The Job that was made last."""
    return max(jobs, key=lambda job: str(job["metadata"].get("creationTimestamp")), default=None)


def _revision(replica_set: Object) -> str:
    """What the pods of a ReplicaSet say of theirs: nothing, unless a Deployment made it."""
    return pod_revision((template_of(replica_set).get("metadata") or {}).get("labels") or {})


def _of_pod(raw: Object) -> Object:
    status = raw.get("status") or {}
    ready = any(
        condition.get("type") == "Ready" and condition.get("status") == "True"
        for condition in status.get("conditions") or ()
    )
    outcome = _PHASES.get(status.get("phase", ""), Outcome.RUNNING)
    run = JobView(name=raw["metadata"]["name"], outcome=outcome, reason=status.get("reason", ""))
    counts: Object = {"updated_replicas": 1, "total_replicas": 1}
    counts |= {"ready_replicas": int(ready), "available_replicas": int(ready)}
    return {**counts, "observed_generation": raw["metadata"].get("generation", 0), "run": run}


def _run(job: Object) -> JobView:
    status = job.get("status") or {}
    ends = (
        condition
        for condition in status.get("conditions") or ()
        if condition.get("type") in _ENDS and condition.get("status") == "True"
    )
    end: Object = next(ends, {})
    return JobView(
        name=job["metadata"]["name"],
        outcome=_ENDS.get(end.get("type", ""), Outcome.RUNNING),
        reason=end.get("reason", ""),
        message=end.get("message", ""),
        failures=status.get("failed", 0),
    )
