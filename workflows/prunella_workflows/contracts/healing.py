"""The contract between workflows and activities: typed stubs that `prunella_operator.activities` implements.

Add optional fields only.
"""

from abc import ABC, abstractmethod
from datetime import datetime

from temporalio import activity
from temporalio.common import Priority

from prunella_workflows.contracts.options import IDEMPOTENT, NON_IDEMPOTENT, UNTIL_DONE, WATCHING, Options
from prunella_workflows.model.autonomy import AutonomyLevel, AutonomyNote
from prunella_workflows.model.base import Value
from prunella_workflows.model.incident import Approval, IncidentRef, IncidentSpec
from prunella_workflows.model.incident_status import Attempt, CausedBy, EvidenceNote, GuardNote, IncidentStatus
from prunella_workflows.model.outcome import Baseline, Cause, Diagnosis, GuardResult, Judgement, Sighting
from prunella_workflows.model.plan import Action, Plan, Settle
from prunella_workflows.model.policy_escalation import EscalationRule
from prunella_workflows.model.workload import WorkloadRef

TASK_QUEUE = "prunella"
WATCH_SECONDS = 540.0
"""The time that one call of a watching activity may last; it is repeated as long as there is no answer."""


def watch_queue(task_queue: str) -> str:
    """The task queue of watching activities."""
    return f"{task_queue}-watch"


def workflow_id(incident_uid: str) -> str:
    """The id of the one workflow of an incident."""
    return f"incident-{incident_uid}"


def action_id(incident_uid: str, run_id: str, attempt: int) -> str:
    """The id of one write: the same in every retry and after every crash, but another one in another run.

    The run is its run id's end, which is random. A workflow that is started a second time, because Temporal's data was
    lost or restored, must not take a write of the former run for its own.
    """
    return f"{incident_uid}-{run_id[-8:]}-{attempt}"


UNDO_SUFFIX = "-undo"


def undo_id(repair_id: str) -> str:
    """The id of the undo of a write."""
    return repair_id + UNDO_SUFFIX


class HealingRequest(Value):
    """The input of a SelfHealing workflow. `opened_at` is the Incident's creation.

    `attempts` are those of a former run that was lost, as the Incident's status records them.
    """

    incident: IncidentRef
    spec: IncidentSpec
    opened_at: datetime
    detected_at: datetime | None = None
    fault_at: datetime | None = None
    trace_id: str = ""
    attempts: tuple[Attempt, ...] = ()


class ConfirmRequest(Value):
    """Check whether the fault is present, after the last check's `calm_since`. Crashes before `since` do not count.

    `watch`: seconds to check again and again, until the fault is known to persist or to be gone, or until a start has
    another deadline than `until`. `found`: an earlier check of this watch found the target.
    """

    incident: IncidentRef
    spec: IncidentSpec
    opened_at: datetime
    calm_since: datetime | None = None
    since: datetime | None = None
    watch: float = 0.0
    until: datetime | None = None
    found: bool = False


class Confirmation(Value):
    """The resolved target, and whether the fault is present."""

    target: WorkloadRef
    sighting: Sighting


class DiagnoseRequest(Value):
    """Find the root cause and the remaining steps.

    `known` are the guards that blocked the last time, `answer` is a person's approval. `waiting_for` is the cause
    elsewhere that the repair has waited for since `waiting_since`.
    """

    incident: IncidentRef
    spec: IncidentSpec
    opened_at: datetime
    target: WorkloadRef
    tried: tuple[Attempt, ...] = ()
    known: tuple[GuardNote, ...] = ()
    answer: Approval | None = None
    waiting_for: str = ""
    waiting_since: datetime | None = None


class DiagnoseReport(Value):
    """The diagnosis, the plan, every guard's result, and the exact change of the next step.

    `earlier`: the attempts of the incident whose fault is back, which this one continues. `autonomy`: the level that
    the next step has earned, where it must be earned. `record`: the facts that
    it was decided from, packed; "" where they were not kept. Workflows never read it: it is here to be exported.
    """

    diagnosis: Diagnosis
    plan: Plan
    guards: tuple[GuardResult, ...] = ()
    evidence: tuple[EvidenceNote, ...] = ()
    diff: str = ""
    baseline: Baseline = Baseline()
    attempts_max: int = 3
    has_checks: bool = False
    approval_needed: bool = False
    approval_timeout: float = 7 * 86400.0
    approvers: tuple[str, ...] = ()
    escalation: EscalationRule = EscalationRule()
    caused_by: CausedBy | None = None
    earlier: tuple[Attempt, ...] = ()
    autonomy: AutonomyNote | None = None
    record: str = ""


class RepairOrder(Value):
    """Make one change, once. Cause, severity and approval are for the guards that are checked at the write.

    `continues`: the names of the earlier incidents whose ladder this one continues. `lowest`: the lowest level of
    the action, where autonomy must be earned.
    """

    incident: IncidentRef
    action_id: str
    action: Action
    cause: Cause = Cause.UNKNOWN
    severity: str = ""
    answer: Approval | None = None
    continues: tuple[str, ...] = ()
    lowest: AutonomyLevel = AutonomyLevel.OBSERVE


class Sent(Value):
    """The patch as it was sent: the version of the object that it was made from, such as `generation 7`, and its hash.

    Workflows never read it: it is here to be stated.
    """

    read: str
    patch: str


class Repaired(Value):
    """An applied change: the resulting template, its diff, and the action that undoes it, if there is one.

    `sent` is None where an earlier attempt of the same order sent the patch.
    """

    action_id: str
    template_hash: str
    written_at: datetime
    diff: str = ""
    undo: Action | None = None
    sent: Sent | None = None


class VerifyRequest(Value):
    """Check a repaired workload. `blind` are the seconds in which it could not be observed: they do not count.

    `action` is the change that was made, `calm_since` the result of the last check, at `checked_at`. `watch`: seconds
    to check again and again, until there is a verdict or a reason that is not `known`.
    """

    target: WorkloadRef
    action: Action | None = None
    calm_since: datetime | None = None
    action_id: str
    template_hash: str
    written_at: datetime
    baseline: Baseline = Baseline()
    settle: Settle
    has_checks: bool = False
    blind: float = 0.0
    checked_at: datetime | None = None
    watch: float = 0.0
    known: tuple[str, ...] = ()


class EventNote(Value):
    """A Kubernetes Event to post about the incident. The key makes a retry post it once."""

    key: str
    type: str = "Normal"
    reason: str
    action: str
    note: str


class ReportRequest(Value):
    """The whole status as it should be now, and the Events to post."""

    incident: IncidentRef
    status: IncidentStatus
    events: tuple[EventNote, ...] = ()


# Started repairs are finished before new ones begin. Otherwise, of a thousand incidents at once, none would be
# repaired before all are diagnosed. The default is 3, and the lower number goes first.
_BEHIND = Priority(priority_key=4)
OPTIONS: dict[str, Options] = {
    "confirm": Options(600, WATCHING, heartbeat=15, priority=_BEHIND),
    "diagnose": Options(30, IDEMPOTENT, priority=_BEHIND),
    "repair": Options(20, NON_IDEMPOTENT),
    "undo": Options(20, NON_IDEMPOTENT),
    "verify": Options(600, WATCHING, heartbeat=15),
    "report": Options(15, IDEMPOTENT),
    "close": Options(15, UNTIL_DONE, schedule_to_close=7 * 86400),
}


class HealingActivities(ABC):
    """The activities of the SelfHealing workflow. Implementations raise typed errors and never return failure flags."""

    @abstractmethod
    @activity.defn(name="confirm")
    def confirm(self, request: ConfirmRequest) -> Confirmation:
        """Resolve the target and check whether the fault is present, for as long as the request says.

        Raises:
            NotFound: the target does not exist.
            InvalidIncident: the incident is invalid.
        """

    @abstractmethod
    @activity.defn(name="diagnose")
    def diagnose(self, request: DiagnoseRequest) -> DiagnoseReport:
        """Gather evidence, decide, and check the guards. Writes nothing."""

    @abstractmethod
    @activity.defn(name="repair")
    def repair(self, order: RepairOrder) -> Repaired:
        """Make the change if every precondition still holds; a repeated order returns the first one's result.

        Raises:
            ChangedSince: the object has changed since the decision, or a guard blocks now. Nothing was written.
            Held: a guard blocks for now. Nothing was written.
            Refused: the API server finds the change invalid. Nothing was written.
        """

    @abstractmethod
    @activity.defn(name="undo")
    def undo(self, order: RepairOrder) -> Repaired:
        """Undo a change if the object is still exactly what we wrote.

        Raises:
            ChangedSince: someone else has changed the object. Nothing was written.
        """

    @abstractmethod
    @activity.defn(name="verify")
    def verify(self, request: VerifyRequest) -> Judgement:
        """Check for as long as the request says; the workflow repeats it while there is no verdict."""

    @abstractmethod
    @activity.defn(name="report")
    def report(self, request: ReportRequest) -> None:
        """Write the status and post the events. The single writer of status."""

    @abstractmethod
    @activity.defn(name="close")
    def close(self, request: ReportRequest) -> None:
        """Make the last report of an incident; it is retried until it is written."""
