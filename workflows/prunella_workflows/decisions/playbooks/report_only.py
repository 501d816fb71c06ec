"""Plans that are replaced whatever the playbook: for kinds that are only reported, and causes of another incident."""

from prunella_workflows.decisions.diagnosis.external_cause import CauseKind
from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.model.outcome import Diagnosis
from prunella_workflows.model.plan import Plan


def replace_plan(diagnosis: Diagnosis, plan: Plan, findings: Findings) -> Plan:
    """The playbook's plan, or the one that replaces it."""
    workload = findings.evidence.workload
    ref = workload.ref
    if not ref.repairable:
        next_step = (
            f"If you agree: {plan.steps[0].action}." if plan.steps else "See the evidence for what fails and why."
        )
        message = f"{diagnosis.message} A {ref.kind} is only reported, never changed. {workload.ownership}".rstrip()
        return Plan(reason="ReportOnly", message=message, next_step=next_step)
    cause = findings.external_cause(diagnosis.cause)
    if cause is not None and cause.kind is CauseKind.SHARED:
        return Plan(reason="SharedCause", message=f"{diagnosis.message} {cause.message}", next_step=cause.next_step)
    return plan
