"""Results of guards: count what they block, and turn a block right before a write into an error."""

from collections.abc import Iterable

from prunella_operator.observability import metrics
from prunella_workflows.decisions import guards as guard
from prunella_workflows.decisions.guards import Guard, GuardCase
from prunella_workflows.model.errors import ChangedSince, Held
from prunella_workflows.model.incident_status import GuardNote
from prunella_workflows.model.outcome import Effect, GuardResult


def count_blocks(results: Iterable[GuardResult], known: Iterable[GuardNote] = ()) -> None:
    """Count what guards block. A block with the same reason as last time (`known`) is not counted again."""
    counted = {(note.name, note.reason) for note in known if note.held}
    for result in results:
        if result.held and (result.name, result.reason) not in counted:
            metrics.GUARD_HOLDS.labels(result.name, result.reason, result.effect.value).inc()


def require_pass(guards: tuple[Guard, ...], case: GuardCase) -> None:
    """Raises Held if a guard says "not now", and ChangedSince if one blocks that passed at the diagnosis."""
    results = guard.evaluate(guards, case)
    count_blocks(results)
    block = guard.first_block(results)
    if block is not None:
        kind = Held if block.effect is Effect.WAIT else ChangedSince
        raise kind(f"guard {block.name} blocks now: {block.message}")


def require_within_limits(case: GuardCase) -> None:
    """Raises ChangedSince if the current policy does not allow the numbers that the action sets: decide again."""
    if case.action is not None and (excess := guard.out_of_limits(case.action, case.policy.limits)):
        raise ChangedSince(excess)
