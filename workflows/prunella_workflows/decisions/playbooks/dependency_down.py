"""A dependency is down, by the pods' own errors or its owner's annotation: wait for it and change nothing.

A rollback would only hide the cause, and the pods recover by themselves once the dependency is back.
"""

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.playbooks.playbook import PlanCase, Playbook
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.outcome import Cause, Diagnosis, Rejected
from prunella_workflows.model.plan import Plan


def diagnose(findings: Findings) -> Diagnosis | Rejected:
    """Match pods without a fault of their own, while a known dependency is down or has just recovered."""
    cause = findings.dependency
    if cause is None:
        return Rejected(cause=Cause.DEPENDENCY_DOWN, reason=_rejection(findings.evidence))
    return Diagnosis(
        cause=Cause.DEPENDENCY_DOWN,
        confidence=0.9,
        message=cause.message,
        decided_by=tuple(map(str, findings.failures[:4])),
    )


def _rejection(evidence: Evidence) -> str:
    known = ", ".join(str(dependency.ref) for dependency in evidence.dependencies)
    return f"{known}: available, or unrelated to the failures" if known else "no dependency is known"


def plan(case: PlanCase) -> Plan:
    """Change nothing: the guard waits for the dependency, then the incident is escalated."""
    cause = case.findings.dependency
    return Plan(reason="DependencyDown", message=case.diagnosis.message, next_step=cause.next_step if cause else "")


PLAYBOOK = Playbook(
    cause=Cause.DEPENDENCY_DOWN,
    summary="What the workload needs is down.",
    steps=("wait for the dependency", "escalate, naming it and its incident"),
    diagnose=diagnose,
    plan=plan,
)
