"""The status of an Incident: the record of its repair, written by Prunella only."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from prunella_workflows.model.aftermath import Aftermath
from prunella_workflows.model.autonomy import AutonomyNote
from prunella_workflows.model.base import Value


class Phase(StrEnum):
    """The phase of an incident, for people. Derived from events, never an input of logic."""

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
        """Report whether an incident in this phase is closed."""
        return self not in _OPEN

    @property
    def acting(self) -> bool:
        """Report whether a repair is made or verified in this phase."""
        return self in (Phase.REPAIRING, Phase.VERIFYING)


_OPEN = (Phase.PENDING, Phase.CONFIRMING, Phase.DIAGNOSING, Phase.AWAITING_APPROVAL, Phase.REPAIRING, Phase.VERIFYING)


class Condition(Value):
    """A Kubernetes condition; `lastTransitionTime` moves only when the status does."""

    type: str
    """Type of the condition."""
    status: str
    """True, False, or Unknown while undetermined."""
    reason: str
    """Reason, as one CamelCase word."""
    message: str = ""
    """Explanation, as a sentence."""
    observed_generation: int | None = None
    """The metadata.generation of the spec that this condition is about."""
    last_transition_time: datetime
    """Time of the last change of the condition's status (UTC)."""


class EvidenceNote(Value):
    """One observation that a person can check: its source and its content."""

    source: str
    """The object it was read from."""
    message: str
    """The observation."""


class GuardNote(Value):
    """The result of one guard: whether it blocked the repair, and the reason."""

    name: str
    """Name of the guard."""
    held: bool
    """True when this guard blocked the repair."""
    reason: str
    """Reason, as one CamelCase word."""
    message: str = ""
    """Explanation, as a sentence."""


class Attempt(Value):
    """One repair that was tried: its change and its verdict."""

    number: int
    """Number of the attempt, counted from 1."""
    action_id: str
    """Id of the write, also found on the workload as the annotation prunella.dev/last-action."""
    action: str
    """The repair."""
    target: str
    """The object that was changed."""
    parameters: dict[str, str] = Field(default_factory=dict)
    """The values of the action, by name."""
    diff: str = ""
    """The exact change of the object, as a unified diff of its YAML."""
    started_at: datetime
    """Start of the attempt (UTC)."""
    written_at: datetime | None = None
    """Time at which the API server accepted the change (UTC)."""
    finished_at: datetime | None = None
    """Time of the verdict (UTC)."""
    verdict: str | None = None
    """The verdict: Healed, NotHealed, Worse or Inconclusive. No data is Inconclusive, never Healed."""
    message: str = ""
    """The verdict's reason, as a sentence."""
    undone: bool = False
    """True when the change was undone."""
    incident: str = ""
    """Name of the earlier incident that made this attempt and that this one continues; empty: this incident."""


class WorkflowLink(Value):
    """The incident's durable workflow in Temporal."""

    id: str
    """Workflow id."""
    run_id: str = ""
    """Run id of the workflow."""


class Times(Value):
    """Timestamps from which detection and repair times are computed. All are UTC."""

    fault_at: datetime | None = None
    """Time of the fault, as recorded by the kubelet."""
    detected_at: datetime | None = None
    """Time of Prunella's first detection."""
    started_at: datetime | None = None
    """Start of the workflow."""
    diagnosed_at: datetime | None = None
    """Time of the diagnosis."""
    repaired_at: datetime | None = None
    """Time of the last repair's write."""
    healed_at: datetime | None = None
    """Time at which the workload was healthy again."""
    closed_at: datetime | None = None
    """Time at which the incident was closed."""


class DeliveryResult(StrEnum):
    """Result of one message on one channel."""

    DELIVERED = "Delivered"
    SUMMARISED = "Summarised"
    """The channel's rate limit was reached; the message was sent as a line of a summary."""
    FAILED = "Failed"


class Delivery(Value):
    """One message on one channel (`NAMESPACE/SECRET`): `kind` is the service, "" when it is not known."""

    channel: str
    """The channel, as NAMESPACE/SECRET."""
    kind: str = ""
    """The service behind it."""
    result: DeliveryResult
    """Delivered, Summarised (over the channel's rate limit, so sent as a line of a summary) or Failed."""
    reason: str = ""
    """Reason for the failure, as one CamelCase word."""
    message: str = ""
    """Explanation of the failure, as a sentence."""
    at: datetime | None = None
    """Time of the result (UTC)."""


class TicketRef(Value):
    """A ticket that exists: the kind of system (jira, github, webhook), the ticket's key there, and its page."""

    system: str
    """The kind of system."""
    key: str
    """The ticket's key."""
    url: str = ""
    """The ticket's page."""


class EscalationNote(Value):
    """Information for the person who takes over, the notifications sent, and their results."""

    reason: str
    """Reason for the escalation, as one CamelCase word."""
    message: str
    """Explanation, as a sentence, with the repairs that were tried."""
    next_step: str = ""
    """Recommended next step."""
    at: datetime | None = None
    """Time of the escalation (UTC)."""
    level: int | None = None
    """The last notified level of the policy; 0 stands for escalation.channels."""
    delivered: tuple[Delivery, ...] = ()
    """Result of each notification, the latest last."""
    ticket: TicketRef | None = None
    """The ticket of this incident."""
    ticket_error: str = ""
    """Explanation of a missing or outdated ticket, as a sentence."""
    acknowledged_by: str = ""
    """The user who took over."""
    acknowledged_at: datetime | None = None
    """Time of the acknowledgement (UTC)."""
    ended: str = ""
    """Reason why notifications ended: Acknowledged, Recovered, Cancelled, Deleted, TargetGone or GaveUp."""
    ended_at: datetime | None = None
    """Time at which notifications ended (UTC)."""


class CausedBy(Value):
    """The object outside of a workload that is to blame: `target` (`Deployment/ledger`, `Secret/token`)."""

    incident: str = ""
    """The Incident of the cause, in this namespace."""
    target: str
    """The object to blame: a workload, a missing object, a quota, a webhook, an image, a node."""
    message: str = ""
    """Evidence for the cause and its current state, as a sentence."""


class IncidentStatus(Value):
    """The record so far, readable with nothing but kubectl. Written by one activity only, but for the aftermath."""

    phase: Phase = Phase.PENDING
    """Current phase, for people. Programs should wait for the condition Succeeded instead. Open: Pending,
    Confirming, Diagnosing, AwaitingApproval, Repairing, Verifying. Closed: Healed (by a repair), Recovered (by
    itself), Escalated (to people), DryRunDone, Suppressed (left alone because of a guard or policy), Cancelled,
    Failed (Prunella itself failed)."""
    reason: str = ""
    """Reason for the phase, as one CamelCase word."""
    message: str = ""
    """The same as a sentence."""
    observed_generation: int | None = None
    """The metadata.generation of the spec that this status is about."""
    conditions: tuple[Condition, ...] = ()
    """Conditions: Diagnosed, Approved, Repaired, Verified, Escalated, and Succeeded as the summary (True with
    reason Healed or Recovered, False with reason Escalated or Failed, Unknown while the incident is open)."""
    target: str = ""
    """The failing workload, resolved from the spec."""
    root_cause: str = ""
    """The diagnosed root cause."""
    confidence: str = ""
    """Confidence of the diagnosis, in percent."""
    caused_by: CausedBy | None = None
    """The object to blame, unless it is the workload itself. While that lasts, nothing is repaired here."""
    action: str = ""
    """The kind of the latest repair that was tried."""
    healed_in: str = ""
    """Time from the detection of the fault to the workload being healthy again, as a duration."""
    fault: str = ""
    """The fault, in one sentence."""
    evidence: tuple[EvidenceNote, ...] = ()
    """The observations that decided the diagnosis; a person can check each of them. Secrets are redacted."""
    guards: tuple[GuardNote, ...] = ()
    """The guards checked before acting and their results. Nothing is written while one blocks the repair."""
    autonomy: AutonomyNote | None = None
    """The level that the next repair has earned here. Only where the policy has autonomy.enabled."""
    attempts: tuple[Attempt, ...] = ()
    """The repairs that were tried, oldest first, with exactly what each one changed."""
    plan: str = ""
    """The plan, step by step, in words."""
    diff: str = ""
    """The exact change of the next repair, as a unified diff of YAML. With mode DryRun or Observe it is not applied."""
    next_step: str = ""
    """The next step of Prunella, or of a person."""
    workflow: WorkflowLink | None = None
    """The incident's durable workflow in Temporal."""
    trace_id: str = ""
    """Id of the trace from the fault to the end of its repair, as 32 hexadecimal digits."""
    times: Times = Times()
    """Timestamps from which time to detect and time to repair are computed. All are UTC."""
    escalation: EscalationNote | None = None
    """Information for the person who takes over. Set when the incident was escalated."""
    aftermath: Aftermath | None = None
    """The events after an incident that was only observed, compared with its plan."""
