"""Is it ours to repair at all: a dependency that is down, a cause that another incident is about, a node that is lost.

These wait, for a time: the plan of such a diagnosis has no step, so that what follows the wait is a person.
"""

from datetime import timedelta

from prunella_workflows.decisions.diagnosis.external_cause import CauseKind, ExternalCause
from prunella_workflows.decisions.guards.case import GuardCase, hold, passed
from prunella_workflows.model.outcome import Effect, GuardResult


def node_lost(case: GuardCase) -> GuardResult:
    """The pods' node is lost: the control plane evicts them, and what Prunella would write helps no node."""
    if (culprit := _waited_for(case, CauseKind.NODE)) is not None:
        return hold("Node", Effect.WAIT, "NodeLost", culprit.message, culprit.next_step)
    return passed("Node")


def dependency(case: GuardCase) -> GuardResult:
    """What the workload needs is down: its pods come up by themselves once that is back."""
    if (culprit := _waited_for(case, CauseKind.DEPENDENCY)) is not None:
        return hold("Dependency", Effect.WAIT, "DependencyDown", culprit.message, culprit.next_step)
    return passed("Dependency")


def shared_cause(case: GuardCase) -> GuardResult:
    """Another workload lacks the same object, and its incident is older: one cause is one incident's."""
    if (culprit := _waited_for(case, CauseKind.SHARED)) is not None:
        return hold("SharedCause", Effect.WAIT, "SharedCause", culprit.message, culprit.next_step)
    return passed("SharedCause")


def heard(case: GuardCase) -> GuardResult:
    """A pod lost its readiness, and it is too early to tell why: the kubelet's Events come late when it has many."""
    if case.unheard:
        return hold("ProbeEvents", Effect.WAIT, "AwaitingKubeletEvents", case.unheard)
    return passed("ProbeEvents")


def _waited_for(case: GuardCase, tie: CauseKind) -> ExternalCause | None:
    """The culprit, while it is one of this kind and the wait has not become too long."""
    culprit = case.culprit
    if culprit is None or culprit.tie is not tie:
        return None
    waited = case.now - (case.waiting_since or case.now)
    return culprit if waited < timedelta(seconds=culprit.patience) else None
