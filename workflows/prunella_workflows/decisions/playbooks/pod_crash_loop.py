"""Pods fail and no release explains it: nothing in the workload's own spec would repair this, so escalate."""

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.diagnosis.symptoms import Kind, Symptom
from prunella_workflows.decisions.playbooks.playbook import PlanCase, Playbook
from prunella_workflows.decisions.playbooks.revisions import is_new_release, known_good
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.outcome import Cause, Diagnosis, Rejected
from prunella_workflows.model.plan import Plan
from prunella_workflows.model.workload import Outcome

_CHECK_SURROUNDINGS = "Check what changed around the service: Secrets, ConfigMaps, dependencies, permissions."
_NEXT_STEPS = {
    Kind.CONFIG: "Restore what the pods refer to: the evidence names the Secret, ConfigMap, key or volume.",
    Kind.IMAGE: "Check the registry: whether the image still exists, and whether the pull secret is still valid.",
    Kind.UNSCHEDULABLE: "Check the nodes: free capacity, taints, cordons and labels; and the pods' volumes.",
    Kind.NOT_MADE: "Check what refuses the pods: quota, LimitRange, Pod Security, ServiceAccount, webhooks.",
}


def diagnose(findings: Findings) -> Diagnosis | Rejected:
    """Match any failing pod that more specific playbooks did not explain, and a failed Job that left no pod."""
    evidence, failures = findings.evidence, findings.failures
    job = _describe_failed_job(evidence)
    if not failures and not job:
        return Rejected(cause=Cause.POD_CRASH_LOOP, reason="no pod fails")
    return Diagnosis(
        cause=Cause.POD_CRASH_LOOP,
        confidence=0.6,
        message=" ".join(filter(None, (job, _describe(evidence, failures[0]) if failures else ""))),
        container=failures[0].container if failures else "",
        decided_by=tuple(map(str, failures[:5])) or (job,),
    )


def _describe_failed_job(evidence: Evidence) -> str:
    """The message about a Job that failed; "" for a bare pod, whose containers tell everything."""
    run, ref = evidence.workload.run, evidence.workload.ref
    if run is None or run.outcome is not Outcome.FAILED or ref.kind == "Pod":
        return ""
    details = f"{run.reason}: {run.message}".strip(": ")
    return f"Job {run.name} failed" + (f" ({details})." if details else ".")


def _describe(evidence: Evidence, failure: Symptom) -> str:
    log = next((tail.lines[-1] for tail in evidence.logs if tail.container == failure.container and tail.lines), "")
    release = f"; {_describe_release(evidence)}" if evidence.workload.ref.repairable else ""
    return f"{failure}{release}." + (f' Last log line: "{log}"' if log else "")


def _describe_release(evidence: Evidence) -> str:
    """The history of the current release, as a clause of the message."""
    if not is_new_release(evidence):
        return "this revision was good before"
    if known_good(evidence) is None:
        return "no earlier revision is known to be good"
    return "the new release does not explain it"


def plan(case: PlanCase) -> Plan:
    """Escalate; never roll back a release that is not to blame."""
    evidence, failures, message = case.findings.evidence, case.findings.failures, case.diagnosis.message
    if is_new_release(evidence) and known_good(evidence) is None:
        return Plan(
            reason="NoKnownGoodRevision",
            message=f"{message} There is no revision to roll back to.",
            next_step="Fix the release: the evidence names the failing container and its last log lines.",
        )
    return Plan(
        reason="InnocentRelease",
        message=f"{message} A rollback would not help.",
        next_step=_NEXT_STEPS.get(failures[0].kind, _CHECK_SURROUNDINGS) if failures else _CHECK_SURROUNDINGS,
    )


PLAYBOOK = Playbook(
    cause=Cause.POD_CRASH_LOOP,
    summary="Pods fail and no release explains it.",
    steps=("escalate with the evidence",),
    diagnose=diagnose,
    plan=plan,
)
