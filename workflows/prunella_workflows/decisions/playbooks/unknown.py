"""Nothing matched. Prunella does not guess: it writes nothing and hands the evidence over."""

from prunella_workflows.decisions.playbooks.playbook import Playbook
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.incident_status import Attempt
from prunella_workflows.model.outcome import Cause, Diagnosis, Rejected
from prunella_workflows.model.plan import Plan
from prunella_workflows.model.policy import EffectivePolicy


def diagnose(evidence: Evidence) -> Diagnosis | Rejected:
    """Always matches, with no confidence."""
    return Diagnosis(
        cause=Cause.UNKNOWN,
        confidence=0.0,
        message=f"No playbook recognises this {evidence.incident.type} of {evidence.workload.ref}.",
    )


def plan(diagnosis: Diagnosis, evidence: Evidence, policy: EffectivePolicy, tried: tuple[Attempt, ...]) -> Plan:
    """A ticket, no write."""
    del evidence, policy, tried
    return Plan(reason="NoPlaybook", message=diagnosis.message, next_step="Look at the evidence in the status.")


PLAYBOOK = Playbook(
    cause=Cause.UNKNOWN,
    summary="Anything else.",
    steps=("escalate with the evidence",),
    diagnose=diagnose,
    plan=plan,
)
