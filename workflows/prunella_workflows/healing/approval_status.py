"""The approval of a repair in the status: requested, given, rejected, or answered by someone who may not.

Used inside the workflow, so every time is an argument.
"""

from datetime import datetime

from prunella_workflows.healing.conditions import find_condition
from prunella_workflows.healing.events import NORMAL, WARNING
from prunella_workflows.healing.state import HealingState
from prunella_workflows.model.incident import Approval
from prunella_workflows.model.incident_status import Delivery, Phase
from prunella_workflows.notifications.messages import delivery_event

_APPROVED = "Approved"
_NOT_APPROVER = "NotAnApprover"


class ApprovalStatus:
    """Records the approval of one incident in its status, with the Events that go with it."""

    def __init__(self, state: HealingState) -> None:
        self._state = state

    def approval_requested(self, now: datetime) -> None:
        """A person has to approve first. A message about an answer that does not count stays in place."""
        state, message = self._state, f"Waiting for a person to approve: {self._state.status.plan}."
        condition = find_condition(state.status.conditions, _APPROVED)
        if condition is not None and condition.reason == _NOT_APPROVER:
            state.update(phase=Phase.AWAITING_APPROVAL, reason=_NOT_APPROVER)
        else:
            state.update(phase=Phase.AWAITING_APPROVAL, reason="ApprovalNeeded", message=message)
            self._set("Unknown", "ApprovalNeeded", message, now)

    def approvers_notified(self, deliveries: tuple[Delivery, ...]) -> None:
        """The channels were notified of the request."""
        for delivery in deliveries:
            kind, reason, note = delivery_event(delivery)
            self._state.events.post(kind, reason, "Approve", note)

    def approver_rejected(self, answer: Approval, approvers: tuple[str, ...], now: datetime) -> None:
        """Someone answered who is no approver."""
        who, allowed = answer.by or "Someone", " or ".join(approvers)
        plan = self._state.status.plan
        message = f"{who} may not approve ({answer.decision}); waiting for {allowed}: {plan}."
        self._state.update(message=message)
        self._set("Unknown", _NOT_APPROVER, message, now)

    def answer_ignored(self, answer: Approval, counts: Approval) -> None:
        """An answer came after the one that counts."""
        first = f"{counts.decision} by {author(counts)}"
        note = f"{answer.decision} by {author(answer)} came too late: {first} counts."
        self._state.events.post(WARNING, "AnswerIgnored", "Approve", note)

    def approved(self, who: str, now: datetime) -> None:
        """An approver approved the repair."""
        self._set("True", _APPROVED, f"Approved by {who}", now)

    def rejected(self, who: str, now: datetime) -> None:
        """An approver rejected the repair."""
        self._set("False", "Rejected", f"Rejected by {who}", now)

    def _set(self, value: str, reason: str, message: str, now: datetime) -> None:
        old = find_condition(self._state.status.conditions, _APPROVED)
        if old is None or (old.status, old.message) != (value, message):
            self._state.set_condition(_APPROVED, value, reason, message, now)
            self._state.events.post(NORMAL, reason, "Approve", message)


def author(answer: Approval) -> str:
    """The name of the person who answered."""
    return answer.by or "someone"
