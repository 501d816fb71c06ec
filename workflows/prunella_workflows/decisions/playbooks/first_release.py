"""A release that never worked, without an earlier one that did: the release is to blame, and a person must fix it."""

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.diagnosis.program_output import find_missing_variable
from prunella_workflows.decisions.playbooks.playbook import PlanCase, Playbook, describe_failure, look_at
from prunella_workflows.decisions.playbooks.revisions import is_new_release, known_good
from prunella_workflows.model.outcome import Cause, Diagnosis, Rejected
from prunella_workflows.model.plan import Plan


def diagnose(findings: Findings) -> Diagnosis | Rejected:
    """Match failing pods of a release that was never good, when there is no earlier one to compare it with."""
    evidence, failures = findings.evidence, findings.current_failures
    if not failures or not evidence.workload.ref.repairable:
        return _reject("no pod of the current release fails")
    if not is_new_release(evidence) or known_good(evidence) is not None:
        return _reject("this release or an earlier one was good before")
    first = failures[0]
    if ready := [pod.name for pod in evidence.current_pods if pod.ready]:
        return _reject(f"pod {ready[0]} of the same release runs")
    variable = find_missing_variable(evidence, first.container)
    message = describe_failure(evidence, first, "no earlier revision is known to be good")
    return Diagnosis(
        cause=Cause.BAD_RELEASE,
        confidence=0.9 if variable else 0.7,
        message=f"{message} It lacks the variable {variable}." if variable else message,
        container=first.container,
        decided_by=tuple(map(str, failures[:4])),
    )


def _reject(reason: str) -> Rejected:
    return Rejected(cause=Cause.BAD_RELEASE, reason=reason)


def plan(case: PlanCase) -> Plan:
    """Escalate: there is nothing to go back to."""
    return Plan(
        reason="NoKnownGoodRevision",
        message=f"{case.diagnosis.message} There is no revision to roll back to.",
        next_step=_next_step(case),
    )


def _next_step(case: PlanCase) -> str:
    evidence, container = case.findings.evidence, case.diagnosis.container
    ref = evidence.workload.ref
    if variable := find_missing_variable(evidence, container):
        return f"Set {variable}: kubectl set env {ref} -c {container} -n {ref.namespace} {variable}=VALUE"
    return f"Fix the release. See what fails: {look_at(evidence, case.findings.current_failures)}"


PLAYBOOK = Playbook(
    cause=Cause.BAD_RELEASE,
    summary="A release does not run, and no earlier one is known to have run.",
    steps=("escalate with the program's last words",),
    diagnose=diagnose,
    plan=plan,
)
