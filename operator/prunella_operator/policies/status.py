"""The status of one policy: its errors, the number of workloads that it selects, and the condition Ready."""

from datetime import datetime

from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.times import parse_time
from prunella_operator.policies.objects import Policy
from prunella_workflows.model.incident_status import Condition
from prunella_workflows.model.policy_status import PolicyStatus

_READY = "Ready"
_MAX_ERRORS = 16


def make_status(policy: Policy, errors: tuple[str, ...], matched: int, now: datetime) -> PolicyStatus:
    """The status that the policy should have. Nothing in it changes until the facts do."""
    generation = policy.metadata.generation
    ready = "False" if errors else "True"
    condition = Condition(
        type=_READY,
        status=ready,
        reason="Invalid" if errors else "Valid",
        message=_message(errors),
        observed_generation=generation,
        last_transition_time=_ready_since(policy.status, ready) or now.replace(microsecond=0),
    )
    return PolicyStatus(
        observed_generation=generation,
        matched_workloads=matched,
        errors=errors[:_MAX_ERRORS],
        conditions=(condition,),
    )


def _message(errors: tuple[str, ...]) -> str:
    if not errors:
        return "The policy is valid."
    return errors[0] + (f" (and {len(errors) - 1} more)" if len(errors) > 1 else "")


def _ready_since(status: Object, ready: str) -> datetime | None:
    """The time from which on the condition has had this value; None if it had another."""
    before = (one for one in status.get("conditions") or () if (one.get("type"), one.get("status")) == (_READY, ready))
    return next((parse_time(one.get("lastTransitionTime")) for one in before), None)
