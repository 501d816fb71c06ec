"""No playbook matched. Prunella does not guess: it changes nothing and escalates with the evidence."""

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.playbooks.playbook import Playbook
from prunella_workflows.model.incident_status import Attempt
from prunella_workflows.model.outcome import Cause, Diagnosis, Rejected
from prunella_workflows.model.plan import Plan
from prunella_workflows.model.policy import EffectivePolicy


def diagnose(findings: Findings) -> Diagnosis | Rejected:
    """Match always, with no confidence."""
    evidence = findings.evidence
    return Diagnosis(
        cause=Cause.UNKNOWN,
        confidence=0.0,
        message=f"No playbook recognises this {evidence.incident.type} of {evidence.workload.ref}.",
    )


def plan(diagnosis: Diagnosis, findings: Findings, policy: EffectivePolicy, tried: tuple[Attempt, ...]) -> Plan:
    """Escalate without a change."""
    del findings, policy, tried
    return Plan(reason="NoPlaybook", message=diagnosis.message, next_step="See the evidence in the status.")


PLAYBOOK = Playbook(
    cause=Cause.UNKNOWN,
    summary="Anything else.",
    steps=("escalate with the evidence",),
    diagnose=diagnose,
    plan=plan,
)
