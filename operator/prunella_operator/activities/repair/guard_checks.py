"""Asking the guards: counts what they hold back, and turns an answer that comes right before a write into an error."""

from collections.abc import Iterable

from prunella_operator.observability import metrics
from prunella_workflows.decisions import guards as guard
from prunella_workflows.decisions.guards import Guard, GuardCase
from prunella_workflows.model.errors import ChangedSince, Held
from prunella_workflows.model.incident_status import GuardNote
from prunella_workflows.model.outcome import Effect, GuardResult


def answers(guards: tuple[Guard, ...], case: GuardCase, known: Iterable[GuardNote] = ()) -> tuple[GuardResult, ...]:
    """Every guard's answer. One that held with the same reason the last time (`known`) is not counted again."""
    found = guard.evaluate(guards, case)
    counted = {(one.name, one.reason) for one in known if one.held}
    for one in found:
        if one.held and (one.name, one.reason) not in counted:
            metrics.GUARD_HOLDS.labels(one.name, one.reason, one.effect.value).inc()
    return found


def must_pass(guards: tuple[Guard, ...], case: GuardCase) -> None:
    """Go on only if no guard holds.

    Raises:
        Held: a guard says "not now".
        ChangedSince: a guard holds that did not at the diagnosis: decide anew.
    """
    held = guard.first_block(answers(guards, case))
    if held is not None:
        kind = Held if held.effect is Effect.WAIT else ChangedSince
        raise kind(f"guard {held.name} holds now: {held.message}")


def must_be_within_limits(case: GuardCase) -> None:
    """Go on only if the policy of now allows the numbers that the action sets.

    Raises:
        ChangedSince: it does not: decide anew.
    """
    if case.action is not None and (said := guard.out_of_limits(case.action, case.policy.limits)):
        raise ChangedSince(said)
