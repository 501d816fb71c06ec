"""Channels and a ticket system that follow a script and record their messages."""

import asyncio
from collections import Counter

from builders import NOW
from temporalio import activity

from prunella_workflows.contracts.notifications import NoticeActivities, NotifyRequest, TicketRequest
from prunella_workflows.model.incident_status import Delivery, DeliveryResult, TicketRef

TICKET = TicketRef(system="jira", key="SHOP-17", url="https://jira.example.org/browse/SHOP-17")


class RecordingNotifications(NoticeActivities):
    """Channels and a ticket system that follow a script: channel or step to outcomes, the last one repeated."""

    def __init__(self, **script):
        self.script = script
        self.sent = []
        self.tickets = []
        self._counts = Counter()
        self._changed = asyncio.Condition()

    async def _follow_script(self, name, default):
        outcomes = self.script.get(name, [default])
        outcome = outcomes[min(self._counts[name], len(outcomes) - 1)]
        self._counts[name] += 1
        async with self._changed:
            self._changed.notify_all()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    @activity.defn(name="notify")
    async def notify(self, request: NotifyRequest) -> Delivery:
        self.sent.append((activity.info().scheduled_time, request))
        done = Delivery(channel=request.channel, kind="slack", result=DeliveryResult.DELIVERED, at=NOW)
        return await self._follow_script(request.channel.partition("/")[2], done)

    @activity.defn(name="ticket")
    async def ticket(self, request: TicketRequest) -> TicketRef:
        self.tickets.append(request)
        return await self._follow_script(request.step.value, TICKET)

    async def count(self, number):
        """Wait until so many messages were tried."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.sent) >= number)

    @property
    def channels(self):
        return [request.channel for _, request in self.sent]

    @property
    def steps(self):
        return [request.step.value for request in self.tickets]

    def times(self, start):
        """The times of the messages, in minutes."""
        return [round((when - start).total_seconds() / 60) for when, _ in self.sent]
