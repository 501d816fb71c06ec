"""May we act? Each guard is a pure function of one case; all answers are reported, the first that holds decides.

A guard that holds either only shows the plan (Observe), closes the incident unseen (opted out), asks a person, waits
(budget), or hands over with the exact change to make. The guards in AT_WRITE are asked again right before each write,
and those in BUDGETS once more while the repair takes its turn.
"""

from prunella_workflows.decisions.guards.budgets import (
    concurrency,
    cooldown,
    hourly_budget,
    maintenance,
    minimum_healthy,
    repeated_failures,
)
from prunella_workflows.decisions.guards.case import Guard, GuardCase
from prunella_workflows.decisions.guards.external_cause import dependency, heard, node_lost, shared_cause
from prunella_workflows.decisions.guards.limits import out_of_limits
from prunella_workflows.decisions.guards.ownership import gitops_owned, paused, replaced_by_hand, rollout_by_a_person
from prunella_workflows.decisions.guards.permission import (
    approval,
    approval_needed,
    cause_allowed,
    handled_kind,
    observe_mode,
    opted_out,
    protected_namespace,
    rollback_frozen,
    target_alive,
)
from prunella_workflows.decisions.guards.reverted_externally import put_back
from prunella_workflows.decisions.guards.scaling import disruption, hpa_owned
from prunella_workflows.model.outcome import GuardResult

__all__ = [
    "AT_WRITE",
    "BUDGETS",
    "GUARDS",
    "Guard",
    "GuardCase",
    "approval_needed",
    "ask",
    "holding",
    "out_of_limits",
]

BUDGETS: tuple[Guard, ...] = (cooldown, hourly_budget, concurrency)
AT_WRITE: tuple[Guard, ...] = (
    protected_namespace,
    opted_out,
    target_alive,
    observe_mode,
    handled_kind,
    paused,
    replaced_by_hand,
    cause_allowed,
    rollback_frozen,
    gitops_owned,
    put_back,
    hpa_owned,
    disruption,
    minimum_healthy,
    approval,
    cooldown,
    hourly_budget,
    maintenance,
    concurrency,
)
GUARDS: tuple[Guard, ...] = (
    protected_namespace,
    opted_out,
    target_alive,
    observe_mode,
    handled_kind,
    node_lost,
    dependency,
    shared_cause,
    heard,
    paused,
    replaced_by_hand,
    cause_allowed,
    rollback_frozen,
    gitops_owned,
    put_back,
    hpa_owned,
    disruption,
    minimum_healthy,
    repeated_failures,
    cooldown,
    hourly_budget,
    approval,
    rollout_by_a_person,
    maintenance,
    concurrency,
)


def ask(guards: tuple[Guard, ...], case: GuardCase) -> tuple[GuardResult, ...]:
    """Every guard's answer, in order."""
    return tuple(guard(case) for guard in guards)


def holding(answers: tuple[GuardResult, ...]) -> GuardResult | None:
    """The answer that decides: the first guard that holds."""
    return next((answer for answer in answers if answer.held), None)
