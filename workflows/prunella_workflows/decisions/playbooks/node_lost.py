"""The node of the pods is lost: the control plane evicts them after a while, and no change of the workload helps."""

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.playbooks.playbook import PlanCase, Playbook
from prunella_workflows.model.outcome import Cause, Diagnosis, Rejected
from prunella_workflows.model.plan import Plan


def diagnose(findings: Findings) -> Diagnosis | Rejected:
    """Match pods that are not ready on lost nodes, if no other pod fails."""
    cause = findings.lost_node
    if cause is None:
        return Rejected(cause=Cause.NODE_LOST, reason="no node is lost, or other pods fail as well")
    nodes = findings.evidence.nodes
    return Diagnosis(
        cause=Cause.NODE_LOST,
        confidence=0.9,
        message=cause.message,
        decided_by=tuple(f"node {node.name}: {node.message}" for node in nodes if not node.ready),
    )


def plan(case: PlanCase) -> Plan:
    """Change nothing: the guard waits for the eviction, then the incident is escalated."""
    cause = case.findings.lost_node
    return Plan(reason="NodeLost", message=case.diagnosis.message, next_step=cause.next_step if cause else "")


PLAYBOOK = Playbook(
    cause=Cause.NODE_LOST,
    summary="The node of the pods is lost.",
    steps=("wait for the eviction", "escalate, naming the node"),
    diagnose=diagnose,
    plan=plan,
)
