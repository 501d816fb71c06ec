"""The contract of the AlertHandling workflow: its id, its activities with their time-outs and retries, its state.

`prunella_operator.activities.alerts.activities` implements the stubs. Add optional fields only.
"""

from abc import ABC, abstractmethod
from datetime import datetime, timedelta
from enum import StrEnum

from temporalio import activity
from temporalio.common import RetryPolicy

from prunella_workflows.model.alert import Alert, Enriched
from prunella_workflows.model.alert_log import AlertLog
from prunella_workflows.model.base import Value
from prunella_workflows.model.incident import IncidentRef
from prunella_workflows.model.incident_status import Phase, TicketRef

START_TO_CLOSE = timedelta(minutes=5)
HEARTBEAT = timedelta(seconds=30)
HERE = timedelta(seconds=1)
"""For what is done in the worker that runs the workflow."""
RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(minutes=1),
    maximum_attempts=3,
)
HAND_ON = RetryPolicy(
    initial_interval=timedelta(seconds=1), backoff_coefficient=2.0, maximum_interval=timedelta(minutes=1)
)
"""For alerts that are kept and not handed on yet: until they are."""


def alert_workflow_id(fingerprint: str) -> str:
    """The workflow of an alert. All messages about one set of labels meet in it."""
    return f"alert-{fingerprint}"


class Stage(StrEnum):
    """Where the handling of an alert stands."""

    WAITING = "Waiting"
    """For a firing, or for the end of the window in which repeats tell nobody."""
    ENRICHING = "Enriching"
    OPENING = "Opening"
    FOLLOWING = "Following"
    PROCESSED = "Processed"
    """Handled; waiting for its end."""
    DONE = "Done"


class Outcome(StrEnum):
    """What came of one firing."""

    NONE = ""
    REPAIRED = "Repaired"
    RECOVERED = "Recovered"
    ESCALATED = "Escalated"
    OBSERVED = "Observed"
    """Prunella may only look there: it showed what it would do."""
    NOT_REPAIRED = "NotRepaired"
    """No incident could be opened, or it ended without a repair."""
    WITHDRAWN = "Withdrawn"
    """The alert was over before anything was done, so its incident was taken back."""
    NOTIFIED = "Notified"
    RECORDED = "Recorded"


class AlertState(Value):
    """All that the handling of one alert knows: what `getState` answers, and what a continued run starts from.

    `alert` is the firing that is or was handled, in round number `round`; `book` has what was heard since. From
    `incident` to `acted` it is what was last seen of the incident. `end_noticed` is set once the incident was told
    of the alert's end. `was_silenced` means that Alertmanager may have kept the end to itself.
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
    """What an AlertHandling workflow starts from: its fingerprint, and the state that an earlier run left, if any."""

    fingerprint: str
    state: AlertState | None = None


class AlertBatch(Value):
    """Alerts that came together."""

    alerts: tuple[Alert, ...]


class EnrichRequest(Value):
    """Find out what an alert is about, how it is handled, and what people should know."""

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
    """Look how an incident stands."""

    incident: IncidentRef


class Followed(Value):
    """How an incident stands. `acted` once a change was tried; `gone` when the incident was deleted."""

    phase: Phase = Phase.PENDING
    reason: str = ""
    message: str = ""
    next_step: str = ""
    root_cause: str = ""
    tried: tuple[str, ...] = ()
    acted: bool = False
    gone: bool = False


class WithdrawRequest(Value):
    """Take back the incident that an alert opened, because the alert is over and nothing was done yet."""

    incident: IncidentRef
    alert: Alert


class Withdrawn(Value):
    """Whether it was taken back, and if not, why."""

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
    """Take a silence of ours back."""

    silence_id: str


class StillFiring(Value):
    """Whether Alertmanager still has the alert as active."""

    firing: bool


class RecordRequest(Value):
    """Write down what came of an alert: the log, the metric, and a note on its incident."""

    state: AlertState
    resolved: bool = False


class AlertActivities(ABC):
    """The hands of the AlertHandling workflow. They heartbeat, and repeating them is harmless."""

    @abstractmethod
    @activity.defn(name="enrichAlert")
    def enrich(self, request: EnrichRequest) -> Enriched:
        """Classify by the policies' rules, resolve the workload, and gather what people should know. Writes nothing."""

    @abstractmethod
    @activity.defn(name="openIncident")
    async def open(self, request: OpenRequest) -> Opened:
        """Open or join, by the same rules and under the same name as the intake of signals."""

    @abstractmethod
    @activity.defn(name="followIncident")
    def follow(self, request: FollowRequest) -> Followed:
        """One look at the incident; the workflow looks again."""

    @abstractmethod
    @activity.defn(name="withdrawIncident")
    def withdraw(self, request: WithdrawRequest) -> Withdrawn:
        """Ask for the incident's cancellation if it has changed nothing, and no pod of the workload is in trouble."""

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
        """Ask Alertmanager, which tells nobody of the end of an alert while it is silenced."""

    @abstractmethod
    @activity.defn(name="recordAlert")
    def record(self, request: RecordRequest) -> None:
        """Log, count, and note it on the incident."""


class AlertDistribution(ABC):
    """The hand of the AlertIntake workflow."""

    @abstractmethod
    @activity.defn(name="distributeAlerts")
    async def distribute(self, batch: AlertBatch) -> None:
        """Signal each alert's workflow, started if need be. An attempt goes on where the last one ended."""
