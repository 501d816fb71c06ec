"""The healthy pods that a rollout takes away, worked out before it is begun."""

from typing import NamedTuple

from prunella_workflows.model.scaling import PodDisruptionBudgetView, Scaling
from prunella_workflows.model.workload import PodView, RevisionRef, WorkloadView, ordinal


class Disruption(NamedTuple):
    """A rollout that may leave only `kept` healthy pods: fewer than `budget` requires or, without one, none at all."""

    kept: int
    budget: PodDisruptionBudgetView | None = None


def expect_disruption(
    workload: WorkloadView, scaling: Scaling, healthy: tuple[PodView, ...], restored: RevisionRef | None = None
) -> Disruption | None:
    """The disruption by a rollout of another template, or of one that was used before (`restored`)."""
    kept = _count_kept(workload, healthy, restored)
    if kept >= len(healthy):
        return None
    for budget in scaling.budgets:
        others = max(0, budget.current_healthy - workload.available_replicas)
        if budget.desired_healthy is None or kept + others < budget.desired_healthy:
            return Disruption(kept, budget)
    return Disruption(kept) if kept == 0 else None


def _count_kept(workload: WorkloadView, healthy: tuple[PodView, ...], restored: RevisionRef | None) -> int:
    """The number of healthy pods that are left in the worst case: those that stay, and those the strategy keeps."""
    staying = sum(_stays(pod, workload, restored) for pod in healthy)
    return max(staying, min(len(healthy), _counted_pods(workload, healthy) - workload.strategy.max_unavailable), 0)


def _stays(pod: PodView, workload: WorkloadView, restored: RevisionRef | None) -> bool:
    """Report whether a rollout does not replace the pod: a partition holds it, or it has the restored template."""
    if restored is None or restored.source == "Snapshot" or not pod.revision:
        return workload.is_held(pod.name)
    return workload.is_held(pod.name) or restored.name.endswith(pod.revision)


def _counted_pods(workload: WorkloadView, healthy: tuple[PodView, ...]) -> int:
    """The pods from which the strategy subtracts the unavailable ones: all, broken ones included.

    With parallel pod management a StatefulSet replaces from the highest ordinal down and waits only for pods that it
    has replaced itself, not for broken ones below (updateStatefulSet in Kubernetes' stateful_set_control.go).
    """
    if not workload.strategy.parallel or not healthy:
        return workload.replicas
    above = workload.strategy.first_ordinal + workload.replicas - 1 - max(ordinal(pod.name) for pod in healthy)
    return len(healthy) + above
