"""What the workload needs is down, and its pods say so or its owner did: it is waited for, and nothing is changed here.

A rollback would only hide the cause, and the pods come up by themselves once the dependency is back.
"""

from prunella_workflows.decisions.diagnosis import external_cause
from prunella_workflows.decisions.diagnosis.symptoms import failing
from prunella_workflows.decisions.playbooks.playbook import Playbook
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.incident_status import Attempt
from prunella_workflows.model.outcome import Cause, Diagnosis, Rejected
from prunella_workflows.model.plan import Plan
from prunella_workflows.model.policy import EffectivePolicy


def diagnose(evidence: Evidence) -> Diagnosis | Rejected:
    """Pods that fail in no way of their own, while a dependency that is known is down or has just come back."""
    culprit = external_cause.dependency(evidence)
    if culprit is None:
        return _no(_why_not(evidence))
    return Diagnosis(
        cause=Cause.DEPENDENCY_DOWN,
        confidence=0.9,
        message=culprit.message,
        decided_by=tuple(str(one) for one in failing(evidence, evidence.live_pods)[:4]),
    )


def _why_not(evidence: Evidence) -> str:
    known = ", ".join(str(dependency.ref) for dependency in evidence.dependencies)
    return f"{known}: serving, or not what the pods fail for" if known else "no dependency is known"


def _no(reason: str) -> Rejected:
    return Rejected(cause=Cause.DEPENDENCY_DOWN, reason=reason)


def plan(diagnosis: Diagnosis, evidence: Evidence, policy: EffectivePolicy, tried: tuple[Attempt, ...]) -> Plan:
    """The guard waits for the dependency; after that a person is asked."""
    del policy, tried
    culprit = external_cause.dependency(evidence)
    return Plan(reason="DependencyDown", message=diagnosis.message, next_step=culprit.next_step if culprit else "")


PLAYBOOK = Playbook(
    cause=Cause.DEPENDENCY_DOWN,
    summary="What the workload needs is down.",
    steps=("wait for the dependency", "escalate, naming it and its incident"),
    diagnose=diagnose,
    plan=plan,
)
