"""Guards for faults that are not ours to repair: a lost node, a dependency that is down, a cause of another incident.

They wait for a limited time. The plan of such a diagnosis has no step, so the wait ends in an escalation.
"""

from datetime import timedelta

from prunella_workflows.decisions.diagnosis.external_cause import CauseKind
from prunella_workflows.decisions.guards.case import Block, GuardCase
from prunella_workflows.model.outcome import Effect
from prunella_workflows.model.plan import EvictPods


def check_node(case: GuardCase) -> Block | None:
    """Block while a node is lost: the control plane evicts its pods, and no change of the workload helps."""
    return _wait_for(CauseKind.NODE, "NodeLost", case)


def check_dependency(case: GuardCase) -> Block | None:
    """Block while a dependency is down: the pods recover by themselves once it is back."""
    return _wait_for(CauseKind.DEPENDENCY, "DependencyDown", case)


def check_shared_cause(case: GuardCase) -> Block | None:
    """Block while an older incident is about the same missing object: each cause is handled by one incident."""
    return _wait_for(CauseKind.SHARED, "SharedCause", case)


def check_pending_report(case: GuardCase) -> Block | None:
    """Block until the kubelet has reported why a pod is not ready or was killed: its reports may be late."""
    return Block(Effect.WAIT, "AwaitingKubeletEvents", case.pending) if case.pending else None


def _wait_for(kind: CauseKind, reason: str, case: GuardCase) -> Block | None:
    """Wait for an external cause of this kind, until its maximum wait is over."""
    cause = case.external_cause
    if cause is None or cause.kind is not kind or isinstance(case.action, EvictPods):
        return None
    waited = case.now - (case.waiting_since or case.now)
    if waited >= timedelta(seconds=cause.max_wait):
        return None
    return Block(Effect.WAIT, reason, cause.message, cause.next_step)
