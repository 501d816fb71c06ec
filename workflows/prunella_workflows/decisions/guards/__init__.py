"""Guards decide whether a repair may be made. All results are reported; the first guard that blocks decides."""

from prunella_workflows.decisions.guards import budgets, external_cause, init_containers, ownership, permission, scaling
from prunella_workflows.decisions.guards.case import Guard, GuardCase
from prunella_workflows.decisions.guards.limits import out_of_limits
from prunella_workflows.decisions.guards.permission import approval_needed
from prunella_workflows.model.outcome import GuardResult

__all__ = [
    "AT_WRITE",
    "GUARDS",
    "IN_SLOT",
    "Guard",
    "GuardCase",
    "approval_needed",
    "evaluate",
    "first_block",
    "out_of_limits",
]

GUARDS = (
    Guard("ProtectedNamespace", permission.check_protected_namespace),
    Guard("OptedOut", permission.check_opt_out),
    Guard("TargetNotDeleting", permission.check_deletion),
    Guard("Mode", permission.check_mode),
    Guard("SupportedKind", permission.check_kind),
    Guard("Node", external_cause.check_node, at_write=False),
    Guard("Dependency", external_cause.check_dependency, at_write=False),
    Guard("SharedCause", external_cause.check_shared_cause, at_write=False),
    Guard("ProbeEvents", external_cause.check_pending_report, at_write=False),
    Guard("PausedRollout", ownership.check_paused_rollout),
    Guard("OnDeleteStrategy", ownership.check_on_delete_strategy),
    Guard("Partition", ownership.check_partition),
    Guard("PolicyAllows", permission.check_cause_and_action),
    Guard("RollbackFrozen", permission.check_rollback_freeze),
    Guard("CustomResourceOwned", ownership.check_custom_owner),
    Guard("GitOpsOwned", ownership.check_field_owner),
    Guard("RevertedExternally", ownership.check_reverted),
    Guard("HpaOwned", scaling.check_autoscaler),
    Guard("Singleton", scaling.check_singleton),
    Guard("Disruption", scaling.check_disruption),
    Guard("MinimumHealthy", budgets.check_minimum_healthy),
    Guard("RepeatedFailures", budgets.check_repeated_failures, at_write=False),
    Guard("Cooldown", budgets.check_cooldown, in_slot=True),
    Guard("HourlyBudget", budgets.check_hourly_budget, in_slot=True),
    Guard("Approval", permission.check_approval),
    Guard("RolloutInProgress", ownership.check_rollout_in_progress, at_write=False),
    Guard("InitContainer", init_containers.check_running_init_container, at_write=False),
    Guard("MaintenanceWindow", budgets.check_maintenance_window),
    Guard("Concurrency", budgets.check_concurrency, in_slot=True),
)
AT_WRITE = tuple(guard for guard in GUARDS if guard.at_write)
IN_SLOT = tuple(guard for guard in GUARDS if guard.in_slot)


def evaluate(guards: tuple[Guard, ...], case: GuardCase) -> tuple[GuardResult, ...]:
    """The result of every guard, in order."""
    return tuple(guard.evaluate(case) for guard in guards)


def first_block(results: tuple[GuardResult, ...]) -> GuardResult | None:
    """The result that decides: the first that blocks."""
    return next((result for result in results if result.held), None)
