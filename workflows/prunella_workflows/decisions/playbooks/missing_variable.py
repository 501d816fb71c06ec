"""A program that ran well with this template says which variable it lacks: what its template refers to lost it."""

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.diagnosis.program_output import find_missing_variable
from prunella_workflows.decisions.playbooks.playbook import PlanCase, Playbook, describe_failure
from prunella_workflows.decisions.playbooks.revisions import is_new_release
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.incident_status import CausedBy
from prunella_workflows.model.outcome import Cause, Diagnosis, Rejected
from prunella_workflows.model.plan import Plan


def diagnose(findings: Findings) -> Diagnosis | Rejected:
    """Match a crash of a template that was good before, with words about a variable."""
    evidence, failures = findings.evidence, findings.current_failures
    variable = find_missing_variable(evidence, failures[0].container) if failures else ""
    if not variable or is_new_release(evidence) or not evidence.workload.ref.repairable:
        return Rejected(cause=Cause.CONFIG_MISSING, reason="no program that ran before says that it lacks a variable")
    message = describe_failure(evidence, failures[0], "this revision was good before")
    message = f"{message} It lacks the variable {variable}."
    return Diagnosis(
        cause=Cause.CONFIG_MISSING,
        confidence=0.8,
        message=message,
        container=failures[0].container,
        decided_by=tuple(map(str, failures[:4])),
        caused_by=CausedBy(target=_target(variable, evidence), message=message),
    )


def _target(variable: str, evidence: Evidence) -> str:
    """The only object that can have had the variable, or the variable."""
    references = evidence.workload.references
    return f"{references[0]} (key {variable})" if len(references) == 1 else f"variable {variable}"


def plan(case: PlanCase) -> Plan:
    """Escalate, naming the variable."""
    evidence, target = case.findings.evidence, case.diagnosis.caused_by.target if case.diagnosis.caused_by else ""
    objects = " ".join(reference.lower() for reference in evidence.workload.references)
    where = f"kubectl describe {objects or evidence.workload.ref} -n {evidence.workload.ref.namespace}"
    next_step = f"Restore {target}. See what is there: {where}"
    return Plan(reason="ConfigMissing", message=case.diagnosis.message, next_step=next_step)


PLAYBOOK = Playbook(
    cause=Cause.CONFIG_MISSING,
    summary="A program that ran with this template says which variable it lacks.",
    steps=("escalate, naming the variable",),
    diagnose=diagnose,
    plan=plan,
)
