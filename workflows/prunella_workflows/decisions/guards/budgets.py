"""Is it too much: failures, budgets, cooldown, storms, and the policy's hours.

Cooldown, hourly budget and concurrency count turns (see `model.turn`), so that they hold however many ask at once.
"""

from datetime import timedelta

from prunella_workflows.decisions.guards.case import GuardCase, hold, others, passed, same_workload
from prunella_workflows.model.duration import format_duration
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.model.outcome import Effect, GuardResult

_FAILURE_MEMORY = timedelta(hours=4)
_FAILURES = 3


def repeated_failures(case: GuardCase) -> GuardResult:
    """Repairs of this workload that ended with a person three times: stop for a time, a person is needed."""
    recent = [
        other
        for other in others(case)
        if same_workload(case, other)
        and other.phase is Phase.ESCALATED
        and other.repaired_at is not None
        and case.now - other.repaired_at < _FAILURE_MEMORY
    ]
    if len(recent) >= _FAILURES:
        message = f"{len(recent)} incidents of this workload could not be repaired of late."
        return hold("RepeatedFailures", Effect.ESCALATE, "RepeatedFailures", message)
    return passed("RepeatedFailures")


def minimum_healthy(case: GuardCase) -> GuardResult:
    """When much of the namespace is sick, the cause is larger than one workload: repairs would only add noise."""
    minimum, healthy = case.policy.budgets.minimum_healthy_percent, case.healthy_percent
    if minimum and healthy is not None and healthy < minimum:
        message = f"Only {healthy:.0f} % of the namespace's workloads are healthy (minimum {minimum} %)."
        return hold("MinimumHealthy", Effect.ESCALATE, "Storm", message)
    return passed("MinimumHealthy")


def maintenance(case: GuardCase) -> GuardResult:
    """Outside the policy's windows nothing is changed."""
    windows = case.policy.maintenance_windows or ()
    if case.action is not None and windows and not any(window.cover(case.now) for window in windows):
        return hold("MaintenanceWindow", Effect.WAIT, "OutsideWindow", "Waiting for the policy's maintenance window.")
    return passed("MaintenanceWindow")


def cooldown(case: GuardCase) -> GuardResult:
    """A workload that was repaired a moment ago and fails again needs a person, not the same repair again."""
    assert case.policy.cooldown is not None
    since = case.now - timedelta(seconds=case.policy.cooldown)
    known = [
        other.name for other in others(case) if same_workload(case, other) and (other.repaired_at or since) > since
    ]
    turns = [one for one in case.turns.since(since) if one.incident != case.turns.mine]
    repaired = [*known, *(turn.name for turn in turns if same_workload(case, turn))]
    if repaired:
        message = f"It was repaired by incident {repaired[0]} less than {format_duration(case.policy.cooldown)} ago."
        return hold("Cooldown", Effect.ESCALATE, "RepairedRecently", message)
    return passed("Cooldown")


def concurrency(case: GuardCase) -> GuardResult:
    """How many repairs may run at once."""
    running = case.turns.under_way
    here = [one for one in running if one.namespace == case.workload.ref.namespace]
    budgets = case.policy.budgets
    if case.action is None:
        return passed("Concurrency")
    if budgets.concurrent_per_namespace is not None and len(here) >= budgets.concurrent_per_namespace:
        return hold("Concurrency", Effect.WAIT, "NamespaceBusy", f"{len(here)} repairs run in this namespace.")
    if budgets.concurrent_per_cluster is not None and len(running) >= budgets.concurrent_per_cluster:
        return hold("Concurrency", Effect.WAIT, "ClusterBusy", f"{len(running)} repairs run in this cluster.")
    return passed("Concurrency")


def hourly_budget(case: GuardCase) -> GuardResult:
    """How many repairs may be made in an hour. A spent budget goes to a person: something larger is wrong."""
    hour = case.turns.since(case.now - timedelta(hours=1))
    here = [one for one in hour if one.namespace == case.workload.ref.namespace]
    budgets = case.policy.budgets
    for count, budget, whose in (
        (sum(same_workload(case, one) for one in hour), budgets.per_hour_per_workload, "workload"),
        (len(here), budgets.per_hour_per_namespace, "namespace"),
        (len(hour), budgets.per_hour_per_cluster, "cluster"),
    ):
        if budget is not None and count >= budget:
            message = f"{count} repairs were made in the last hour: the budget of this {whose} is spent."
            return hold("HourlyBudget", Effect.ESCALATE, "BudgetSpent", message)
    return passed("HourlyBudget")
