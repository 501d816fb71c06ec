"""Guards that limit how much is repaired: repeated failures, budgets, cooldown, storms, and the policy's hours.

Cooldown, hourly budget and concurrency count repair slots (see `model.repair_slot`), so that they hold however many
repairs start at once.
"""

from datetime import timedelta

from prunella_workflows.decisions.guards.case import Block, GuardCase
from prunella_workflows.model.duration import format_duration
from prunella_workflows.model.evidence import IncidentSummary
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.model.outcome import Cause, Effect

_FAILURE_WINDOW = timedelta(hours=4)
_MAX_FAILURES = 3
_LOAD = (Cause.HIGH_CPU, Cause.HIGH_MEMORY)  # it may rise again and again, and each scale-out was right


def check_repeated_failures(case: GuardCase) -> Block | None:
    """Block after three repairs of this workload that failed or did not last: more of the same will not help."""
    recent = [
        other.name
        for other in case.other_incidents
        if case.is_same_workload(other)
        and other.repaired_at is not None
        and case.now - other.repaired_at < _FAILURE_WINDOW
        and (other.phase is Phase.ESCALATED or _is_flapping(other, case))
    ]
    if len(recent) < _MAX_FAILURES:
        return None
    hours = _FAILURE_WINDOW // timedelta(hours=1)
    message = f"Repairs of {case.workload.ref} failed or did not last {len(recent)} times within the last {hours} hours"
    return Block(Effect.ESCALATE, "RepeatedFailures", f"{message}: {', '.join(recent)}.")


def _is_flapping(other: IncidentSummary, case: GuardCase) -> bool:
    """Report whether an incident healed this very fault, and the template is still the same."""
    same = other.phase is Phase.HEALED and other.root_cause == case.cause
    return same and case.cause not in _LOAD and not case.is_released_since_repair


def check_minimum_healthy(case: GuardCase) -> Block | None:
    """Block while much of the namespace is unhealthy: the cause is larger than one workload, and repairs add noise."""
    minimum, healthy = case.policy.budgets.minimum_healthy_percent, case.healthy_percent
    if not minimum or healthy is None or healthy >= minimum:
        return None
    message = f"Only {healthy:.0f} % of the namespace's workloads are healthy; the policy requires {minimum} %."
    return Block(Effect.ESCALATE, "Storm", message)


def check_maintenance_window(case: GuardCase) -> Block | None:
    """Block outside the policy's windows."""
    windows = case.policy.maintenance_windows or ()
    if case.action is None or not windows or any(window.cover(case.now) for window in windows):
        return None
    return Block(Effect.WAIT, "OutsideWindow", "Waiting for the policy's maintenance window.")


def check_cooldown(case: GuardCase) -> Block | None:
    """Block when another incident has just repaired this workload: if it fails again, a person is needed.

    A release of the owner since then is another fault, and the incident whose ladder goes on here is no other one.
    """
    assert case.policy.cooldown is not None
    since = case.now - timedelta(seconds=case.policy.cooldown)
    incidents = (other for other in case.other_incidents if case.is_same_workload(other))
    known = [other.name for other in incidents if (other.repaired_at or since) > since]
    slots = [slot for slot in case.slots.since(since) if slot.incident != case.slots.own_uid]
    repaired = [*known, *(slot.name for slot in slots if case.is_same_workload(slot))]
    repaired = [name for name in repaired if name not in case.continues]
    if not repaired or case.is_released_since_repair:
        return None
    ago = format_duration(case.policy.cooldown)
    message = f"Incident {repaired[0]} repaired {case.workload.ref} less than {ago} ago (the policy's cooldown)."
    return Block(Effect.ESCALATE, "RepairedRecently", message)


def check_concurrency(case: GuardCase) -> Block | None:
    """Block while as many repairs are running as the policy allows."""
    if case.action is None:
        return None
    running = case.slots.in_progress
    here = [slot for slot in running if slot.namespace == case.workload.ref.namespace]
    in_namespace, in_cluster = case.policy.budgets.concurrent_per_namespace, case.policy.budgets.concurrent_per_cluster
    if in_namespace is not None and len(here) >= in_namespace:
        message = f"{len(here)} repair(s) are running in this namespace; the policy allows {in_namespace} at once."
        return Block(Effect.WAIT, "NamespaceBusy", message)
    if in_cluster is not None and len(running) >= in_cluster:
        message = f"{len(running)} repair(s) are running in this cluster; the policy allows {in_cluster} at once."
        return Block(Effect.WAIT, "ClusterBusy", message)
    return None


def check_hourly_budget(case: GuardCase) -> Block | None:
    """Block once an hourly budget is used up, and escalate: so many repairs mean that something larger is wrong."""
    recent = case.slots.since(case.now - timedelta(hours=1))
    here = [slot for slot in recent if slot.namespace == case.workload.ref.namespace]
    budgets = case.policy.budgets
    for count, budget, scope in (
        (sum(map(case.is_same_workload, recent)), budgets.per_hour_per_workload, "workload"),
        (len(here), budgets.per_hour_per_namespace, "namespace"),
        (len(recent), budgets.per_hour_per_cluster, "cluster"),
    ):
        if budget is not None and count >= budget:
            message = f"{count} repair(s) were made in the last hour; the budget of this {scope} is {budget} per hour."
            return Block(Effect.ESCALATE, "BudgetSpent", message)
    return None
