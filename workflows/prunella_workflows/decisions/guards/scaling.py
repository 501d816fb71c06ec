"""Guards for replicas that an autoscaler sets, for singletons, and for pods that must stay healthy during a repair."""

from prunella_workflows.decisions.diagnosis.disruption import expect_disruption
from prunella_workflows.decisions.guards.case import Block, GuardCase
from prunella_workflows.decisions.guards.ownership import first_foreign
from prunella_workflows.model.kubectl import command
from prunella_workflows.model.outcome import Effect
from prunella_workflows.model.plan import RaiseMaxReplicas, RestoreTemplate, Scale, TemplateAction
from prunella_workflows.model.scaling import HorizontalPodAutoscalerView
from prunella_workflows.model.workload import WorkloadView


def check_autoscaler(case: GuardCase) -> Block | None:
    """Block writes to replicas that an autoscaler sets; raise its maximum only if the policy names that action."""
    if isinstance(case.action, RaiseMaxReplicas):
        return _check_maximum(case, case.action)
    if not isinstance(case.action, Scale):
        return None
    if (first := next(iter(case.scaling.autoscalers), None)) is not None:
        message = f"{first} sets the replicas of {case.workload.ref}."
        return Block(Effect.ESCALATE, "HpaOwned", message, _describe(first))
    if manager := _find_other_scaler(case.workload):
        message = f"{manager} sets the replicas of {case.workload.ref}, as autoscalers do."
        next_step = f"If {manager} is no longer in use: {command(case.action)}"
        return Block(Effect.ESCALATE, "ReplicasOwned", message, next_step)
    return None


def _find_other_scaler(workload: WorkloadView) -> str:
    """The field manager that owns the replicas and nothing of the template, such as Knative's autoscaler."""
    template = workload.owners.get("template", ())
    return first_foreign(manager for manager in workload.owners.get("replicas", ()) if manager not in template)


def _check_maximum(case: GuardCase, action: RaiseMaxReplicas) -> Block | None:
    """Block unless the policy names the action: the maximum is the owner's statement of what the service may cost.

    A higher maximum is no help where the autoscaler has no metrics or its owner fixed its size.
    """
    names = [autoscaler.name for autoscaler in case.scaling.autoscalers]
    if names != [action.autoscaler]:
        actual = ", ".join(names) or "no autoscaler"
        message = f"{case.workload.ref} is scaled by {actual}, not by {action.autoscaler}."
        return Block(Effect.ESCALATE, "HpaOwned", message)
    (autoscaler,) = case.scaling.autoscalers
    if autoscaler.obstacle:
        return Block(Effect.ESCALATE, "HpaCannotAct", f"{autoscaler} {autoscaler.obstacle}.", _describe(autoscaler))
    if action.kind not in (case.policy.actions or ()):
        message = f"The policy's actions do not include {action.kind}."
        return Block(Effect.ESCALATE, "HpaAtMaximum", message, command(action))
    return None


def _describe(autoscaler: HorizontalPodAutoscalerView) -> str:
    return f"kubectl describe hpa {autoscaler.name} -n {autoscaler.namespace}"


def check_singleton(case: GuardCase) -> Block | None:
    """Block more replicas where a second process beside the first may do harm; other repairs are not affected."""
    if not isinstance(case.action, Scale) or not (reason := _why_single(case)):
        return None
    next_step = f"If more replicas are safe: {command(case.action)}"
    return Block(Effect.ESCALATE, "Singleton", f"{case.workload.ref} is not scaled out: {reason}.", next_step)


def _why_single(case: GuardCase) -> str:
    """The reason to take the workload for a singleton; "" for none. Members of a StatefulSet are rarely alike."""
    if case.workload.strategy.kind == "Recreate":
        return "with the strategy Recreate no two of its releases may run at once"
    if case.scaling.exclusive_claims:
        return f"its pods cannot share PersistentVolumeClaim/{case.scaling.exclusive_claims[0]}"
    if case.workload.ref.kind == "StatefulSet" and Scale.__name__ not in (case.policy.actions or ()):
        return "it is a StatefulSet, and the policy's actions do not name Scale"
    return ""


def check_disruption(case: GuardCase) -> Block | None:
    """Block when replacing pods may leave fewer healthy ones than a PodDisruptionBudget requires, or none at all.

    The API server enforces budgets for evictions only; a rolling update follows the workload's own strategy.
    """
    action, workload = case.action, case.workload
    if not isinstance(action, TemplateAction):
        return None
    restored = action.revision if isinstance(action, RestoreTemplate) else None
    disruption = expect_disruption(workload, case.scaling, case.healthy_pods, restored)
    if disruption is None:
        return None
    next_step = f"If it is safe: {command(action)}"
    if (budget := disruption.budget) is not None:
        required = "an unknown number" if budget.desired_healthy is None else budget.desired_healthy
        message = f"It may leave only {disruption.kept} pod(s) of {workload.ref} healthy; "
        message += f"PodDisruptionBudget/{budget.name} requires {required}."
        return Block(Effect.ESCALATE, "DisruptionBudget", message, next_step)
    message = f"It may interrupt the service: no pod of {workload.ref} is guaranteed to stay healthy."
    return Block(Effect.ESCALATE, "Interruption", message, next_step)
