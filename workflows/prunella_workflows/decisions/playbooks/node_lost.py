"""The node of the pods is lost: the control plane evicts them after a while, and no change of the workload helps."""

from prunella_workflows.decisions.diagnosis import external_cause
from prunella_workflows.decisions.playbooks.playbook import Playbook
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.incident_status import Attempt
from prunella_workflows.model.outcome import Cause, Diagnosis, Rejected
from prunella_workflows.model.plan import Plan
from prunella_workflows.model.policy import EffectivePolicy


def diagnose(evidence: Evidence) -> Diagnosis | Rejected:
    """Pods that are not ready on nodes that nobody hears of, and no other pod that fails."""
    culprit = external_cause.node(evidence)
    if culprit is None:
        return Rejected(cause=Cause.NODE_LOST, reason="what fails is not just the pods of a lost node")
    return Diagnosis(
        cause=Cause.NODE_LOST,
        confidence=0.9,
        message=culprit.message,
        decided_by=tuple(f"node {node.name}: {node.message}" for node in evidence.nodes if not node.ready),
    )


def plan(diagnosis: Diagnosis, evidence: Evidence, policy: EffectivePolicy, tried: tuple[Attempt, ...]) -> Plan:
    """The guard waits for the eviction; after that a person is asked."""
    del policy, tried
    culprit = external_cause.node(evidence)
    return Plan(reason="NodeLost", message=diagnosis.message, next_step=culprit.next_step if culprit else "")


PLAYBOOK = Playbook(
    cause=Cause.NODE_LOST,
    summary="The node of the pods is lost.",
    steps=("wait for the eviction", "escalate, naming the node"),
    diagnose=diagnose,
    plan=plan,
)
