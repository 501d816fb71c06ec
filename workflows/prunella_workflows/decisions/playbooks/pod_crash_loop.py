"""Some pods fail while others of the same template run, or a Job fails: no release explains it, so escalate."""

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.diagnosis.symptoms import Symptom
from prunella_workflows.decisions.playbooks.playbook import PlanCase, Playbook, describe_failure, look_at
from prunella_workflows.decisions.playbooks.revisions import is_new_release
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.outcome import Cause, Diagnosis, Rejected
from prunella_workflows.model.plan import Plan
from prunella_workflows.model.workload import Outcome


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
    return describe_failure(evidence, failure, _describe_release(evidence))


def _describe_release(evidence: Evidence) -> str:
    """The history of the current release as a clause; "" for kinds that have no releases."""
    if not evidence.workload.ref.repairable:
        return ""
    return "the new release does not explain it" if is_new_release(evidence) else "this revision was good before"


def plan(case: PlanCase) -> Plan:
    """Escalate; never roll back a release that is not to blame."""
    command = look_at(case.findings.evidence, case.findings.failures)
    return Plan(
        reason="InnocentRelease",
        message=f"{case.diagnosis.message} A rollback would not help.",
        next_step=f"See what fails: {command}",
    )


PLAYBOOK = Playbook(
    cause=Cause.POD_CRASH_LOOP,
    summary="Pods fail, others of the same template run, and nothing more specific explains it.",
    steps=("escalate with the evidence",),
    diagnose=diagnose,
    plan=plan,
)
