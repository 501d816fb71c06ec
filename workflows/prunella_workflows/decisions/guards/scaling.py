"""Would it take what others need: replicas that an autoscaler sets, and pods that must stay healthy meanwhile."""

from prunella_workflows.decisions.guards.case import GuardCase, hold, passed
from prunella_workflows.model.kubectl import command
from prunella_workflows.model.outcome import Effect, GuardResult
from prunella_workflows.model.plan import RaiseMaxReplicas, ResizePods, Restart, Scale
from prunella_workflows.model.scaling import PodDisruptionBudgetView
from prunella_workflows.model.workload import WorkloadView


def hpa_owned(case: GuardCase) -> GuardResult:
    """Replicas that an autoscaler sets are never written, and its maximum only when the policy names that action."""
    first = next(iter(case.scaling.autoscalers), None)
    if isinstance(case.action, Scale) and first is not None:
        return hold(
            "HpaOwned",
            Effect.ESCALATE,
            "HpaOwned",
            f"{first} sets the replicas of {case.workload.ref}.",
            f"kubectl describe hpa {first.name} -n {first.namespace}",
        )
    if isinstance(case.action, RaiseMaxReplicas):
        return _maximum(case, case.action)
    return passed("HpaOwned")


def _maximum(case: GuardCase, action: RaiseMaxReplicas) -> GuardResult:
    """An autoscaler's maximum is its owner's word on what the service may cost."""
    scaling = [autoscaler.name for autoscaler in case.scaling.autoscalers]
    if scaling != [action.autoscaler]:
        message = (
            f"{case.workload.ref} is scaled by {', '.join(scaling) or 'no autoscaler'}, not by {action.autoscaler}."
        )
        return hold("HpaOwned", Effect.ESCALATE, "HpaOwned", message)
    if action.kind not in (case.policy.actions or ()):
        message = f"The policy's actions do not name {action.kind}."
        return hold("HpaOwned", Effect.ESCALATE, "HpaAtMaximum", message, command(action))
    return passed("HpaOwned")


def disruption(case: GuardCase) -> GuardResult:
    """New pods for a changed template must not cost healthy ones that a PodDisruptionBudget wants, nor all of them.

    The API server holds budgets against evictions only: a rolling update takes what its own strategy allows.
    """
    action, workload = case.action, case.workload
    if action is None or isinstance(action, Scale | RaiseMaxReplicas | ResizePods):
        return passed("Disruption")
    left = _left(workload)
    if left >= workload.available_replicas:
        return passed("Disruption")
    if (budget := _broken(case, left)) is not None:
        wanted = "a number not known yet" if budget.desired_healthy is None else f"{budget.desired_healthy}"
        message = (
            f"It may leave {left} pod(s) of {workload.ref} healthy; PodDisruptionBudget/{budget.name} wants {wanted}."
        )
        return hold("Disruption", Effect.ESCALATE, "DisruptionBudget", message, f"If it is safe: {command(action)}")
    if isinstance(action, Restart) and left == 0:
        message = f"It would interrupt the service: no pod of {workload.ref} may stay healthy meanwhile."
        return hold("Disruption", Effect.ESCALATE, "Interruption", message, f"If it is safe: {command(action)}")
    return passed("Disruption")


def _left(workload: WorkloadView) -> int:
    """How many of the healthy pods the workload's own strategy keeps while it replaces them."""
    return max(0, min(workload.available_replicas, workload.replicas - workload.strategy.max_unavailable))


def _broken(case: GuardCase, left: int) -> PodDisruptionBudgetView | None:
    """The budget that would not be kept. Pods of other workloads under it stay as they are."""
    for budget in case.scaling.budgets:
        others = max(0, budget.current_healthy - case.workload.available_replicas)
        if budget.desired_healthy is None or left + others < budget.desired_healthy:
            return budget
    return None
