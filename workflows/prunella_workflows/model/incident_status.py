"""The status of an Incident: the story of its repair, written by Prunella alone."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from prunella_workflows.model.base import Value


class Phase(StrEnum):
    """Where an incident stands, for people. Derived from what happened, never an input of logic."""

    PENDING = "Pending"
    CONFIRMING = "Confirming"
    DIAGNOSING = "Diagnosing"
    AWAITING_APPROVAL = "AwaitingApproval"
    REPAIRING = "Repairing"
    VERIFYING = "Verifying"
    HEALED = "Healed"
    RECOVERED = "Recovered"
    ESCALATED = "Escalated"
    DRY_RUN_DONE = "DryRunDone"
    SUPPRESSED = "Suppressed"
    CANCELLED = "Cancelled"
    FAILED = "Failed"

    @property
    def closed(self) -> bool:
        """Whether an incident in this phase is over."""
        return self in _CLOSED


_CLOSED = frozenset(
    {
        Phase.HEALED,
        Phase.RECOVERED,
        Phase.ESCALATED,
        Phase.DRY_RUN_DONE,
        Phase.SUPPRESSED,
        Phase.CANCELLED,
        Phase.FAILED,
    }
)


class Condition(Value):
    """A Kubernetes condition; `lastTransitionTime` moves only when the status does."""

    type: str
    status: str
    reason: str
    message: str = ""
    observed_generation: int | None = None
    last_transition_time: datetime


class EvidenceNote(Value):
    """One observation that a person can check: where it was read and what it says."""

    source: str
    message: str


class GuardNote(Value):
    """One guard's answer: whether it held the repair back, and why."""

    name: str
    held: bool
    reason: str
    message: str = ""


class Attempt(Value):
    """One repair that was tried: what it changed, and what came of it."""

    number: int
    action_id: str
    action: str
    target: str
    parameters: dict[str, str] = Field(default_factory=dict)
    diff: str = ""
    started_at: datetime
    written_at: datetime | None = None
    finished_at: datetime | None = None
    verdict: str | None = None
    message: str = ""
    undone: bool = False


class WorkflowLink(Value):
    """Where the durable workflow of this incident is found in Temporal."""

    id: str
    run_id: str = ""


class Times(Value):
    """The moments that the figures of merit are made of. All are UTC."""

    fault_at: datetime | None = None
    detected_at: datetime | None = None
    started_at: datetime | None = None
    diagnosed_at: datetime | None = None
    repaired_at: datetime | None = None
    healed_at: datetime | None = None
    closed_at: datetime | None = None


class DeliveryResult(StrEnum):
    """What became of one message on one channel."""

    DELIVERED = "Delivered"
    SUMMARISED = "Summarised"
    """The channel had its fill; the message went out as a line of a summary."""
    FAILED = "Failed"


class Delivery(Value):
    """One message on one channel (`NAMESPACE/SECRET`): `kind` is the service, "" when it is not known."""

    channel: str
    kind: str = ""
    result: DeliveryResult
    reason: str = ""
    message: str = ""
    at: datetime | None = None


class TicketRef(Value):
    """A ticket that exists: the kind of system (jira, github, webhook), the ticket's key there, and its page."""

    system: str
    key: str
    url: str = ""


class EscalationNote(Value):
    """What a person needs to take over, who was told of it, and what became of that.

    `ended` says why nobody is told any more: Acknowledged, Recovered, Cancelled, Deleted, TargetGone or GaveUp.
    """

    reason: str
    message: str
    next_step: str = ""
    at: datetime | None = None
    level: int | None = None
    delivered: tuple[Delivery, ...] = ()
    ticket: TicketRef | None = None
    ticket_error: str = ""
    acknowledged_by: str = ""
    acknowledged_at: datetime | None = None
    ended: str = ""
    ended_at: datetime | None = None


class CausedBy(Value):
    """What causes a fault elsewhere: `target` (`Deployment/ledger`, `Secret/token`, `Node/a`), and its incident."""

    incident: str = ""
    target: str
    message: str = ""


class IncidentStatus(Value):
    """The story so far. Written by one activity only, readable with nothing but kubectl."""

    phase: Phase = Phase.PENDING
    reason: str = ""
    message: str = ""
    observed_generation: int | None = None
    conditions: tuple[Condition, ...] = ()
    target: str = ""
    root_cause: str = ""
    confidence: str = ""
    caused_by: CausedBy | None = None
    action: str = ""
    healed_in: str = ""
    fault: str = ""
    evidence: tuple[EvidenceNote, ...] = ()
    guards: tuple[GuardNote, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    plan: str = ""
    diff: str = ""
    next_step: str = ""
    workflow: WorkflowLink | None = None
    trace_id: str = ""
    times: Times = Times()
    escalation: EscalationNote | None = None
