"""The state of one healing: everything the workflow remembers, in one serialisable structure that its parts share."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from prunella_workflows.contracts.healing import HealingRequest, Repaired, workflow_id
from prunella_workflows.healing.events import EventLog
from prunella_workflows.model.incident import Acknowledgement, Approval
from prunella_workflows.model.incident_status import Attempt, Condition, IncidentStatus, Phase, Times, WorkflowLink
from prunella_workflows.model.outcome import Verdict
from prunella_workflows.model.policy_escalation import EscalationRule


@dataclass
class HealingState:
    """Everything that is known and was done so far.

    `status` and `events` are what users see. `rule` is the escalation rule of the latest diagnosis. `obstacle` is why
    the last change was not applied. `blocked_since` is when guards began to block the repair; `waiting_for` is the
    cause elsewhere that the repair has waited for since `waiting_since`. `orders` counts the changes that were
    ordered; `applied` is the change in effect that is neither verified nor undone.

    `answer` is the approval that counts, `new_answers` are those not yet checked, and `late_answers` came after it.
    `approved_action` is the kind of repair it permits.
    """

    status: IncidentStatus
    events: EventLog = field(default_factory=EventLog)
    rule: EscalationRule = field(default_factory=EscalationRule)
    acknowledged: Acknowledgement | None = None
    incident_deleted: bool = False
    obstacle: str = ""
    blocked_since: datetime | None = None
    waiting_for: str = ""
    waiting_since: datetime | None = None
    orders: int = 0
    applied: Repaired | None = None
    answer: Approval | None = None
    new_answers: list[Approval] = field(default_factory=list)
    late_answers: list[Approval] = field(default_factory=list)
    approved_action: str | None = None
    approval_requested_at: datetime | None = None
    approvers_notified: bool = False
    suspended: bool = False

    @property
    def run_id(self) -> str:
        """The run of the workflow."""
        return self.status.workflow.run_id if self.status.workflow is not None else ""

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """The attempts so far."""
        return self.status.attempts

    @property
    def written_attempts(self) -> tuple[Attempt, ...]:
        """The attempts that changed the workload."""
        return tuple(attempt for attempt in self.attempts if attempt.written_at is not None)

    @property
    def continues(self) -> tuple[str, ...]:
        """The names of the earlier incidents whose ladder goes on here."""
        return tuple(dict.fromkeys(attempt.incident for attempt in self.attempts if attempt.incident))

    def adopt(self, earlier: tuple[Attempt, ...]) -> None:
        """Go on from the attempts of an earlier incident."""
        if earlier and not self.attempts:
            self.orders = max(attempt.number for attempt in earlier)
            self.update(attempts=earlier)

    def update(self, **values: Any) -> None:
        """Change fields of the status."""
        self.status = self.status.model_copy(update=values)

    def update_attempt(self, **values: Any) -> None:
        """Change fields of the last attempt."""
        *earlier, last = self.attempts
        self.update(attempts=(*earlier, last.model_copy(update=values)))

    def condition(self, kind: str) -> Condition | None:
        """The condition of this type."""
        return next((condition for condition in self.status.conditions if condition.type == kind), None)

    def set_condition(self, kind: str, value: str, reason: str, message: str, now: datetime) -> None:
        """Add or replace a condition; its transition time moves only when its status does."""
        old = self.condition(kind)
        since = old.last_transition_time if old is not None and old.status == value else now
        new = Condition(type=kind, status=value, reason=reason, message=message, last_transition_time=since)
        self.update(conditions=(*(other for other in self.status.conditions if other is not old), new))


def initial_state(request: HealingRequest, run_id: str, now: datetime) -> HealingState:
    """The state of a healing that begins now."""
    spec = request.spec
    attempts = tuple(_interrupted(attempt, now) for attempt in request.attempts)
    status = IncidentStatus(
        phase=Phase.CONFIRMING,
        reason="Started",
        message="Checking whether the fault persists.",
        fault=spec.description or spec.type,
        workflow=WorkflowLink(id=workflow_id(request.incident.uid), run_id=run_id),
        trace_id=request.trace_id,
        times=Times(
            fault_at=request.fault_at,
            detected_at=request.detected_at or request.opened_at,
            started_at=now,
            repaired_at=max((attempt.written_at for attempt in attempts if attempt.written_at), default=None),
        ),
        attempts=attempts,
    )
    state = HealingState(
        status=status,
        orders=max((attempt.number for attempt in attempts), default=0),
        acknowledged=spec.acknowledged,
        new_answers=[spec.approval] if spec.approval else [],
        suspended=spec.suspend,
    )
    state.set_condition("Succeeded", "Unknown", "Open", "", now)
    return state


def _interrupted(attempt: Attempt, now: datetime) -> Attempt:
    """An attempt of a former run. One without a verdict may have been written: it counts as written, and unjudged."""
    if attempt.verdict is not None:
        return attempt
    message = "The workflow was lost before this attempt was judged."
    written = attempt.written_at or attempt.started_at
    return attempt.model_copy(
        update={"written_at": written, "finished_at": now, "verdict": Verdict.INCONCLUSIVE, "message": message}
    )
