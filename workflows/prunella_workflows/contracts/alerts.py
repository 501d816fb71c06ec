"""The contract of the AlertHandling workflow: its id, state and activities. Add optional fields only."""

from abc import ABC, abstractmethod
from datetime import datetime, timedelta
from enum import StrEnum

from temporalio import activity

from prunella_workflows.model.alert import Alert, Enriched
from prunella_workflows.model.alert_log import AlertLog
from prunella_workflows.model.base import Value
from prunella_workflows.model.incident import IncidentRef
from prunella_workflows.model.incident_status import Phase, TicketRef

START_TO_CLOSE_TIMEOUT = timedelta(minutes=5)
HEARTBEAT_TIMEOUT = timedelta(seconds=30)
LOCAL_TIMEOUT = timedelta(seconds=1)
"""For local activities."""


def alert_workflow_id(fingerprint: str) -> str:
    """The workflow of an alert. All messages about one set of labels meet in it."""
    return f"alert-{fingerprint}"


class Stage(StrEnum):
    """The stage of the handling of an alert."""

    WAITING = "Waiting"
    """For a firing, or for the end of the window in which repeats are not notified."""
    ENRICHING = "Enriching"
    OPENING = "Opening"
    FOLLOWING = "Following"
    PROCESSED = "Processed"
    """Handled; waiting for its end."""
    DONE = "Done"


class Outcome(StrEnum):
    """The outcome of one firing."""

    NONE = ""
    REPAIRED = "Repaired"
    RECOVERED = "Recovered"
    ESCALATED = "Escalated"
    OBSERVED = "Observed"
    """Prunella may only observe there: it showed what it would do."""
    NOT_REPAIRED = "NotRepaired"
    """No incident could be opened, or it ended without a repair."""
    WITHDRAWN = "Withdrawn"
    """The alert was over before anything was done, so its incident was cancelled."""
    NOTIFIED = "Notified"
    RECORDED = "Recorded"


class AlertState(Value):
    """The state of the handling of one alert: the result of `getState`, and the input of a continued run.

    `alert` is the firing that is or was handled, in round number `round`; `book` is the log of messages. `incident` to
    `acted` is the incident as last read. `end_noticed` is set once the incident was cancelled or left to finish after
    the alert's end. `was_silenced` means that Alertmanager may have suppressed the resolution.
    """

    fingerprint: str
    name: str = ""
    stage: Stage = Stage.WAITING
    book: AlertLog = AlertLog()
    round: int = 0
    alert: Alert | None = None
    enriched: Enriched | None = None
    begun_at: datetime | None = None
    processed_at: datetime | None = None
    ended_at: datetime | None = None
    incident: IncidentRef | None = None
    opened: bool = False
    opened_at: datetime | None = None
    phase: Phase | None = None
    reason: str = ""
    message: str = ""
    next_step: str = ""
    root_cause: str = ""
    tried: tuple[str, ...] = ()
    acted: bool = False
    told: bool = False
    end_noticed: bool = False
    ticket: TicketRef | None = None
    silence_id: str = ""
    silenced_until: datetime | None = None
    was_silenced: bool = False
    outcome: Outcome = Outcome.NONE
    notes: tuple[str, ...] = ()


class AlertRequest(Value):
    """The input of an AlertHandling workflow: its fingerprint, and the state of an earlier run, if any."""

    fingerprint: str
    state: AlertState | None = None


class AlertBatch(Value):
    """Alerts that came together."""

    alerts: tuple[Alert, ...]


class EnrichRequest(Value):
    """Classify an alert, resolve its workload, and gather facts for people."""

    alert: Alert


class OpenRequest(Value):
    """Open the incident of an alert, or join the one that covers it."""

    alert: Alert
    enriched: Enriched
    observed_at: datetime


class Opened(Value):
    """The incident that covers an alert: whether this alert opened it. None: there is none, and why."""

    incident: IncidentRef | None = None
    opened: bool = False
    opened_at: datetime | None = None
    reason: str = ""


class FollowRequest(Value):
    """Read an incident."""

    incident: IncidentRef


class Followed(Value):
    """An incident as it is now. `acted` once a change was tried; `gone` when the incident was deleted."""

    phase: Phase = Phase.PENDING
    reason: str = ""
    message: str = ""
    next_step: str = ""
    root_cause: str = ""
    tried: tuple[str, ...] = ()
    acted: bool = False
    gone: bool = False


class WithdrawRequest(Value):
    """Cancel the incident that an alert opened, because the alert is over and nothing was done yet."""

    incident: IncidentRef
    alert: Alert


class Withdrawn(Value):
    """The answer: done, or the reason why not."""

    done: bool
    reason: str = ""


class SilenceRequest(Value):
    """Silence an alert in Alertmanager until a moment; `silence_id` is the silence to extend, if there is one."""

    alert: Alert
    until: datetime
    comment: str
    silence_id: str = ""


class Silenced(Value):
    """The silence that is in force."""

    silence_id: str


class UnsilenceRequest(Value):
    """Expire a silence of ours."""

    silence_id: str


class StillFiring(Value):
    """The answer of Alertmanager: it still has the alert as active, or not."""

    firing: bool


class RecordRequest(Value):
    """Record the outcome of an alert: a log line, a metric, and a note on its incident."""

    state: AlertState
    resolved: bool = False


class AlertActivities(ABC):
    """The activities of the AlertHandling workflow. They heartbeat, and repeating them is harmless."""

    @abstractmethod
    @activity.defn(name="enrichAlert")
    def enrich(self, request: EnrichRequest) -> Enriched:
        """Classify by the policies' rules, resolve the workload, and gather facts. Writes nothing."""

    @abstractmethod
    @activity.defn(name="openIncident")
    async def open(self, request: OpenRequest) -> Opened:
        """Open or join, by the same rules and under the same name as the intake of signals."""

    @abstractmethod
    @activity.defn(name="followIncident")
    def follow(self, request: FollowRequest) -> Followed:
        """Read the incident once; the workflow repeats it."""

    @abstractmethod
    @activity.defn(name="withdrawIncident")
    def withdraw(self, request: WithdrawRequest) -> Withdrawn:
        """Request the incident's cancellation if it has changed nothing and no pod of the workload is failing."""

    @abstractmethod
    @activity.defn(name="silenceAlert")
    def silence(self, request: SilenceRequest) -> Silenced:
        """Create or extend the silence of exactly this alert."""

    @abstractmethod
    @activity.defn(name="unsilenceAlert")
    def unsilence(self, request: UnsilenceRequest) -> None:
        """Expire a silence; one that is gone is fine."""

    @abstractmethod
    @activity.defn(name="isAlertFiring")
    def is_firing(self, request: EnrichRequest) -> StillFiring:
        """Query Alertmanager, which sends no resolution for an alert that ends while silenced."""

    @abstractmethod
    @activity.defn(name="recordAlert")
    def record(self, request: RecordRequest) -> None:
        """Log, count, and note it on the incident."""


class AlertDistribution(ABC):
    """The activity of the AlertIntake workflow."""

    @abstractmethod
    @activity.defn(name="distributeAlerts")
    async def distribute(self, batch: AlertBatch) -> None:
        """Signal each alert's workflow, started if need be. An attempt continues where the last one stopped."""
