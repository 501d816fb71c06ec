"""Guards for replicas that an autoscaler sets, and for pods that must stay healthy during a repair."""

from prunella_workflows.decisions.diagnosis.disruption import expect_disruption
from prunella_workflows.decisions.guards.case import Block, GuardCase
from prunella_workflows.decisions.guards.ownership import first_foreign
from prunella_workflows.model.kubectl import command
from prunella_workflows.model.outcome import Effect
from prunella_workflows.model.plan import RaiseMaxReplicas, RestoreTemplate, Scale, TemplateAction
from prunella_workflows.model.workload import WorkloadView


def check_autoscaler(case: GuardCase) -> Block | None:
    """Block writes to replicas that an autoscaler sets; raise its maximum only if the policy names that action."""
    if isinstance(case.action, RaiseMaxReplicas):
        return _check_maximum(case, case.action)
    if not isinstance(case.action, Scale):
        return None
    if (first := next(iter(case.scaling.autoscalers), None)) is not None:
        message = f"{first} sets the replicas of {case.workload.ref}."
        return Block(Effect.ESCALATE, "HpaOwned", message, f"kubectl describe hpa {first.name} -n {first.namespace}")
    if manager := _find_other_scaler(case.workload):
        message = f"{manager} sets the replicas of {case.workload.ref}, as autoscalers do."
        return Block(
            Effect.ESCALATE, "ReplicasOwned", message, f"Find out what {manager} is; else {command(case.action)}"
        )
    return None


def _find_other_scaler(workload: WorkloadView) -> str:
    """The field manager that owns the replicas and nothing of the template, such as Knative's autoscaler."""
    template = workload.owners.get("template", ())
    return first_foreign(manager for manager in workload.owners.get("replicas", ()) if manager not in template)


def _check_maximum(case: GuardCase, action: RaiseMaxReplicas) -> Block | None:
    """Block unless the policy names the action: the maximum is the owner's statement of what the service may cost."""
    names = [autoscaler.name for autoscaler in case.scaling.autoscalers]
    if names != [action.autoscaler]:
        actual = ", ".join(names) or "no autoscaler"
        message = f"{case.workload.ref} is scaled by {actual}, not by {action.autoscaler}."
        return Block(Effect.ESCALATE, "HpaOwned", message)
    if action.kind not in (case.policy.actions or ()):
        message = f"The policy's actions do not include {action.kind}."
        return Block(Effect.ESCALATE, "HpaAtMaximum", message, command(action))
    return None


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
