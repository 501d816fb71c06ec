"""Views of report-only kinds, which have no replicas: Jobs, CronJobs, bare pods and foreign ReplicaSets."""

from collections.abc import Iterable

from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.views.templates import pod_revision, template_of
from prunella_operator.kubernetes.views.workloads import controller_of
from prunella_workflows.model.redaction import redact
from prunella_workflows.model.workload import JobView, Outcome, WorkloadView

_PHASES = {"Succeeded": Outcome.COMPLETE, "Failed": Outcome.FAILED}
_CONDITIONS = {"Complete": Outcome.COMPLETE, "Failed": Outcome.FAILED}


def job_like_view(raw: Object, view: WorkloadView, jobs: Iterable[Object] = ()) -> WorkloadView:
    """Complete the view of a report-only kind; other kinds are returned unchanged. `jobs` are a CronJob's."""
    match view.ref.kind:
        case "Pod":
            fields = _pod_fields(raw)
        case "ReplicaSet":
            fields = {"revision": _revision(raw), "updated_replicas": view.total_replicas}
        case "Job":
            fields = {"run": _job_view(raw)}
        case "CronJob":
            latest = latest_job(jobs)
            fields = {"run": _job_view(latest) if latest is not None else None}
        case _:
            return view
    return view.model_copy(update=fields)


def jobs_of(jobs: Iterable[Object], uid: str) -> list[Object]:
    """The Jobs that the CronJob with this uid controls."""
    owners = ((job, controller_of(job)) for job in jobs)
    return [job for job, owner in owners if owner is not None and owner.uid == uid]


def latest_job(jobs: Iterable[Object]) -> Object | None:
    """The Job created last."""
    return max(jobs, key=lambda job: str(job["metadata"].get("creationTimestamp")), default=None)


def _revision(replica_set: Object) -> str:
    """The revision of a ReplicaSet's pods; "" unless a Deployment created it."""
    return pod_revision((template_of(replica_set).get("metadata") or {}).get("labels") or {})


def _pod_fields(raw: Object) -> Object:
    status = raw.get("status") or {}
    ready = any(c.get("type") == "Ready" and c.get("status") == "True" for c in status.get("conditions") or ())
    outcome = _PHASES.get(status.get("phase", ""), Outcome.RUNNING)
    return {
        "updated_replicas": 1,
        "total_replicas": 1,
        "ready_replicas": int(ready),
        "available_replicas": int(ready),
        "observed_generation": raw["metadata"].get("generation", 0),
        "run": JobView(name=raw["metadata"]["name"], outcome=outcome, reason=status.get("reason", "")),
    }


def _job_view(job: Object) -> JobView:
    status = job.get("status") or {}
    conditions: list[Object] = status.get("conditions") or []
    end = next((c for c in conditions if c.get("type") in _CONDITIONS and c.get("status") == "True"), {})
    return JobView(
        name=job["metadata"]["name"],
        outcome=_CONDITIONS.get(end.get("type", ""), Outcome.RUNNING),
        reason=end.get("reason", ""),
        message=redact(end.get("message", "")),
        failures=status.get("failed", 0),
    )
