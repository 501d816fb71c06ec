"""No playbook matched. Prunella does not guess: it changes nothing and escalates with the evidence."""

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.playbooks.playbook import PlanCase, Playbook
from prunella_workflows.model.outcome import Cause, Diagnosis, Rejected
from prunella_workflows.model.plan import Plan


def diagnose(findings: Findings) -> Diagnosis | Rejected:
    """Match always, with no confidence."""
    evidence = findings.evidence
    message = f"No playbook recognises this {evidence.incident.type} of {evidence.workload.ref}."
    return Diagnosis(cause=Cause.UNKNOWN, confidence=0.0, message=message)


def plan(case: PlanCase) -> Plan:
    """Escalate without a change."""
    return Plan(reason="NoPlaybook", message=case.diagnosis.message, next_step="See the evidence in the status.")


PLAYBOOK = Playbook(
    cause=Cause.UNKNOWN,
    summary="Anything else.",
    steps=("escalate with the evidence",),
    diagnose=diagnose,
    plan=plan,
)
