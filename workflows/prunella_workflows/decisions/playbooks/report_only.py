"""Plans that are not carried out, whatever a playbook says: of kinds that are only reported, and of a cause that
another incident is about.
"""

from prunella_workflows.decisions.diagnosis import external_cause
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.outcome import Diagnosis
from prunella_workflows.model.plan import Plan


def overruled(diagnosis: Diagnosis, plan: Plan, evidence: Evidence) -> Plan:
    """The plan that holds in the end."""
    ref = evidence.workload.ref
    if not ref.repairable:
        todo = f"If you agree: {plan.steps[0].action}." if plan.steps else "See the evidence for what fails and why."
        words = f"{diagnosis.message} A {ref.kind} is only reported, never changed."
        return Plan(reason="ReportOnly", message=words, next_step=todo)
    culprit = external_cause.culprit(diagnosis.cause, evidence)
    if culprit is not None and culprit.kind is external_cause.CauseKind.SHARED:
        return Plan(reason="SharedCause", message=f"{diagnosis.message} {culprit.message}", next_step=culprit.next_step)
    return plan
