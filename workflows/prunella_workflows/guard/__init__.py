"""May we act? Each guard is a pure function of one case; all answers are reported, the first that holds decides.

A guard that holds either only shows the plan (Observe), closes the incident unseen (opted out), waits (budget), or
hands over with the exact change to make. The guards in AT_WRITE are asked again right before each write.
"""

from prunella_workflows.guard.budgets import (
    concurrency,
    cooldown,
    hourly_budget,
    maintenance,
    minimum_healthy,
    repeated_failures,
)
from prunella_workflows.guard.case import Guard, GuardCase
from prunella_workflows.guard.ownership import gitops_owned, paused, rollout_by_a_person
from prunella_workflows.guard.permission import (
    HEAL,
    IGNORE,
    approval_needed,
    cause_allowed,
    handled_kind,
    observe_mode,
    opted_out,
    protected_namespace,
    rollback_frozen,
    target_alive,
)
from prunella_workflows.model.outcome import GuardResult

__all__ = ["AT_WRITE", "GUARDS", "HEAL", "IGNORE", "Guard", "GuardCase", "approval_needed", "ask", "holding"]

AT_WRITE: tuple[Guard, ...] = (
    protected_namespace,
    opted_out,
    target_alive,
    observe_mode,
    handled_kind,
    paused,
    rollback_frozen,
    gitops_owned,
)
GUARDS: tuple[Guard, ...] = (
    protected_namespace,
    opted_out,
    target_alive,
    observe_mode,
    handled_kind,
    paused,
    cause_allowed,
    rollback_frozen,
    gitops_owned,
    minimum_healthy,
    repeated_failures,
    cooldown,
    hourly_budget,
    rollout_by_a_person,
    maintenance,
    concurrency,
)


def ask(guards: tuple[Guard, ...], case: GuardCase) -> tuple[GuardResult, ...]:
    """Every guard's answer, in order."""
    return tuple(guard(case) for guard in guards)


def holding(answers: tuple[GuardResult, ...]) -> GuardResult | None:
    """The answer that decides: the first guard that holds."""
    return next((one for one in answers if one.held), None)
