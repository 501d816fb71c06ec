"""The stage for Escalation: channels and a ticket system that follow a script and keep what they were told."""

import asyncio
from collections import Counter
from contextlib import asynccontextmanager

from builders import INCIDENT, NOW, a_spec
from temporalio import activity
from temporalio.worker import Worker
from workflow.harness import ACTIVITIES

from prunella_workflows.escalation import Escalation, EscalationRequest, escalation_id
from prunella_workflows.model.incident import (
    Acknowledgement,
    Delivery,
    DeliveryResult,
    EscalationNote,
    IncidentStatus,
    Phase,
    TicketRef,
)
from prunella_workflows.model.policy import EscalationRule
from prunella_workflows.notices import NoticeActivities, NotifyRequest, TicketRequest
from prunella_workflows.sandbox import workflow_runner

ALICE = Acknowledgement(by="alice@example.org")
TICKET = TicketRef(system="jira", key="SHOP-17", url="https://jira.example.org/browse/SHOP-17")
TWO_LEVELS = {"channels": ["shop/chat"], "levels": [{"after": "15m", "channels": ["shop/pager"]}]}
STATUS = IncidentStatus(
    phase=Phase.ESCALATED,
    reason="NoKnownGoodRevision",
    message="No earlier release is known to have worked.",
    target="Deployment/web",
    root_cause="bad_release",
    confidence="90%",
    next_step="Fix the release.",
    escalation=EscalationNote(reason="NoKnownGoodRevision", message="No earlier release is known to have worked."),
)


class Notices(NoticeActivities):
    """Channels and a ticket system that follow a script: channel or step to outcomes, the last one repeated."""

    def __init__(self, **script):
        self.script = script
        self.told = []
        self.tickets = []
        self._counts = Counter()
        self._news = asyncio.Condition()

    async def _play(self, name, default):
        outcomes = self.script.get(name, [default])
        outcome = outcomes[min(self._counts[name], len(outcomes) - 1)]
        self._counts[name] += 1
        async with self._news:
            self._news.notify_all()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    @activity.defn(name="notify")
    async def notify(self, request: NotifyRequest) -> Delivery:
        self.told.append((activity.info().scheduled_time, request))
        done = Delivery(channel=request.channel, kind="slack", result=DeliveryResult.DELIVERED, at=NOW)
        return await self._play(request.channel.partition("/")[2], done)

    @activity.defn(name="ticket")
    async def ticket(self, request: TicketRequest) -> TicketRef:
        self.tickets.append(request)
        return await self._play(request.step.value, TICKET)

    async def count(self, number):
        """Wait until so many messages were tried."""
        async with self._news:
            await self._news.wait_for(lambda: len(self.told) >= number)

    @property
    def channels(self):
        return [request.channel for _, request in self.told]

    @property
    def steps(self):
        return [request.step.value for request in self.tickets]

    def times(self, start):
        """When each channel was told, in minutes."""
        return [round((when - start).total_seconds() / 60) for when, _ in self.told]


class Case:
    """One escalation."""

    def __init__(self, client, notices, hands):
        self.client, self.notices, self.hands = client, notices, hands

    @asynccontextmanager
    async def performing(self, *others):
        async with Worker(
            self.client,
            task_queue="prunella-test",
            workflows=[Escalation, *others],
            activities=[self.notices.notify, self.notices.ticket, *(getattr(self.hands, name) for name in ACTIVITIES)],
            workflow_runner=workflow_runner(),
            workflow_failure_exception_types=[Exception],
        ):
            yield

    async def begin(self, rule, **values):
        request = EscalationRequest(
            **{
                "incident": INCIDENT,
                "spec": a_spec(severity="Critical"),
                "opened_at": NOW,
                "status": STATUS,
                "rule": EscalationRule.model_validate(rule),
                **values,
            }
        )
        handle = await self.client.start_workflow(
            Escalation.run, request, id=escalation_id(INCIDENT.uid), task_queue="prunella-test"
        )
        self.started = (await handle.describe()).start_time
        return handle

    async def play(self, rule, **values):
        async with self.performing():
            return await (await self.begin(rule, **values)).result()
