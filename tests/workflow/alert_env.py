"""The environment of AlertHandling: activities that follow a script and record their calls.

As in `healing_env`, an outcome is a value, an exception, or an (async) function of the request; the last is repeated.
"""

from collections import Counter
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from inspect import isawaitable

from builders import INCIDENT, WEB
from temporalio import activity
from temporalio.client import Client
from temporalio.common import WorkflowIDReusePolicy
from temporalio.worker import Worker

from prunella_workflows.alerts.batch_workflow import AlertIntake
from prunella_workflows.alerts.workflow import AlertHandling
from prunella_workflows.contracts.alerts import (
    AlertActivities,
    AlertBatch,
    AlertDistribution,
    AlertRequest,
    EnrichRequest,
    Followed,
    FollowRequest,
    Opened,
    OpenRequest,
    RecordRequest,
    Silenced,
    SilenceRequest,
    StillFiring,
    UnsilenceRequest,
    Withdrawn,
    WithdrawRequest,
    alert_workflow_id,
)
from prunella_workflows.contracts.notifications import NoticeActivities, NotifyRequest, TicketRequest
from prunella_workflows.model.alert import Alert, AlertStatus, Classified, Enriched
from prunella_workflows.model.alert_policy import AlertHandlingMode
from prunella_workflows.model.incident import IncidentType, Severity
from prunella_workflows.model.incident_status import Delivery, DeliveryResult, EvidenceNote, Phase, TicketRef
from prunella_workflows.temporal.sandbox import workflow_runner

QUEUE = "prunella-alerts"
FINGERPRINT = "0123456789abcdef"
START = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
NAMES = ("enrich", "open", "follow", "withdraw", "silence", "unsilence", "is_firing", "record")
ACTED = frozenset({Phase.REPAIRING, Phase.VERIFYING})


def after(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def firing(start: float = 0, **values) -> Alert:
    """A critical alert about Deployment web, by its start in minutes."""
    labels = {"alertname": "KubePodCrashLooping", "severity": "critical", "namespace": "shop", "pod": "web-1"}
    return Alert(
        **{
            "fingerprint": FINGERPRINT,
            "status": AlertStatus.FIRING,
            "labels": labels,
            "annotations": {"summary": "Pod is crash looping.", "description": "It restarts every minute."},
            "starts_at": after(start),
            **values,
        }
    )


def resolved(start: float = 0, end: float = 5, **values) -> Alert:
    return firing(start, status=AlertStatus.RESOLVED, ends_at=after(end), **values)


def enriched(handling=AlertHandlingMode.HEAL, *, can_silence=True, **values) -> Enriched:
    """The alert is about Deployment web; people are notified in one chat, and there is a ticket system."""
    return Enriched(
        classified=Classified(
            **{
                "type": IncidentType.POD_CRASH_LOOP,
                "severity": Severity.CRITICAL,
                "handling": handling,
                "namespace": "shop",
                "channels": ("prunella-system/chat",),
                "ticket": "prunella-system/jira",
                **values,
            }
        ),
        target=WEB,
        facts=(EvidenceNote(source="Release", message="revision 2 (web:2), 5m ago"),),
        runbook="https://runbooks.example.org/crash",
        can_silence=can_silence,
    )


OPENED = Opened(incident=INCIDENT, opened=True, opened_at=START)
JOINED = Opened(incident=INCIDENT, opened=False, opened_at=START)


def stands(phase: Phase, **values) -> Followed:
    """The incident as it stands."""
    return Followed(**{"phase": phase, "acted": phase in ACTED, "reason": phase.value, **values})


HEALING = [
    stands(Phase.CONFIRMING),
    stands(Phase.DIAGNOSING),
    stands(Phase.REPAIRING),
    stands(Phase.VERIFYING),
    stands(
        Phase.HEALED,
        acted=True,
        root_cause="pod_oom_killed",
        message="SetMemory healed it",
        tried=("SetMemory: Healed",),
    ),
]


class ScriptedAlertActivities(AlertActivities, AlertDistribution, NoticeActivities):
    """By default a critical alert opens an incident that is healed, and every channel is reached."""

    def __init__(self, **script):
        self.script = {
            "enrich": [enriched()],
            "open": [OPENED],
            "follow": HEALING,
            "withdraw": [Withdrawn(done=True)],
            "silence": [Silenced(silence_id="silence-1")],
            "unsilence": [None],
            "is_firing": [StillFiring(firing=True)],
            "record": [None],
            "distribute": [None],
            "notify": [lambda request: Delivery(channel=request.channel, result=DeliveryResult.DELIVERED)],
            "ticket": [TicketRef(system="jira", key="OPS-1")],
            **{name: outcomes if isinstance(outcomes, list) else [outcomes] for name, outcomes in script.items()},
        }
        self.calls = []
        self._counts = Counter()
        self._meanwhile = {}

    def during(self, name, times, act):
        """Do something during the n-th call of an activity: only that moment is certain when time is skipped."""
        self._meanwhile[name, times] = act
        return self

    async def _follow_script(self, name, request):
        self._counts[name] += 1
        number = self._counts[name]
        self.calls.append((name, request))
        if act := self._meanwhile.get((name, number)):
            await act()
        outcomes = self.script[name]
        outcome = outcomes[min(number, len(outcomes)) - 1]
        if callable(outcome):
            outcome = outcome(request)
        if isawaitable(outcome):
            outcome = await outcome
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def requests(self, name):
        return [request for called, request in self.calls if called == name]

    @property
    def order(self):
        """The names of the calls, without polls."""
        return [name for name, _ in self.calls if name not in ("follow", "is_firing")]

    @property
    def titles(self):
        """The titles of the messages, in order, each once."""
        return list(dict.fromkeys(request.message.title for request in self.requests("notify")))

    @activity.defn(name="enrichAlert")
    async def enrich(self, request: EnrichRequest) -> Enriched:
        return await self._follow_script("enrich", request)

    @activity.defn(name="openIncident")
    async def open(self, request: OpenRequest) -> Opened:
        return await self._follow_script("open", request)

    @activity.defn(name="followIncident")
    async def follow(self, request: FollowRequest) -> Followed:
        return await self._follow_script("follow", request)

    @activity.defn(name="withdrawIncident")
    async def withdraw(self, request: WithdrawRequest) -> Withdrawn:
        return await self._follow_script("withdraw", request)

    @activity.defn(name="silenceAlert")
    async def silence(self, request: SilenceRequest) -> Silenced:
        return await self._follow_script("silence", request)

    @activity.defn(name="unsilenceAlert")
    async def unsilence(self, request: UnsilenceRequest) -> None:
        return await self._follow_script("unsilence", request)

    @activity.defn(name="isAlertFiring")
    async def is_firing(self, request: EnrichRequest) -> StillFiring:
        return await self._follow_script("is_firing", request)

    @activity.defn(name="recordAlert")
    async def record(self, request: RecordRequest) -> None:
        return await self._follow_script("record", request)

    @activity.defn(name="distributeAlerts")
    async def distribute(self, batch: AlertBatch) -> None:
        return await self._follow_script("distribute", batch)

    @activity.defn(name="notify")
    async def notify(self, request: NotifyRequest) -> Delivery:
        return await self._follow_script("notify", request)

    @activity.defn(name="ticket")
    async def ticket(self, request: TicketRequest) -> TicketRef:
        return await self._follow_script("ticket", request)


@asynccontextmanager
async def alert_worker(client: Client, activities: ScriptedAlertActivities, *others, **options):
    """A worker with these activities, and others of its queue."""
    async with Worker(
        client,
        task_queue=QUEUE,
        workflows=[AlertHandling, AlertIntake],
        activities=[getattr(activities, name) for name in (*NAMES, "distribute", "notify", "ticket")] + [*others],
        workflow_runner=workflow_runner(),
        workflow_failure_exception_types=[Exception],
        **options,
    ) as worker:
        yield worker


async def send(client: Client, alert: Alert):
    """Send an alert to its workflow, as the webhook does."""
    return await client.start_workflow(
        AlertHandling.run,
        AlertRequest(fingerprint=alert.fingerprint),
        id=alert_workflow_id(alert.fingerprint),
        task_queue=QUEUE,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        start_signal="fire" if alert.status is AlertStatus.FIRING else "resolve",
        start_signal_args=[alert],
    )


def sends(client: Client, *alerts: Alert):
    """Messages that arrive at a moment of `during`."""

    async def act():
        for alert in alerts:
            await send(client, alert)

    return act
