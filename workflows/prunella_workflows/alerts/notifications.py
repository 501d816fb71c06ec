"""Notifications about one alert, and the ticket of an alert that could not be repaired."""

import asyncio

from prunella_workflows.alerts import messages
from prunella_workflows.alerts.state import AlertCase
from prunella_workflows.contracts.notifications import Message, TicketRequest, TicketStep
from prunella_workflows.model.incident_status import DeliveryResult
from prunella_workflows.notifications.delivery import notify_all, sync_ticket


class AlertNotifier:
    """Notifies in the background: a chat that is down delays no repair."""

    def __init__(self, case: AlertCase) -> None:
        self._case = case
        self._tasks: list[asyncio.Task[None]] = []

    def firing(self) -> None:
        """Notify that it fires, once a round."""
        if not self._case.state.told:
            self._case.set(told=True)
            self._notify(messages.firing(self._case.state), "firing")

    async def ended(self) -> None:
        """Notify of the outcome, if the firing was notified; open a ticket for a failure."""
        state = self._case.state
        if state.enriched is None or not state.told:
            return
        message = messages.ended(state)
        self._notify(message, "ended")
        if state.outcome in messages.FAILED:
            await self._ticket(TicketStep.OPEN, message, "failed")

    async def resolved(self) -> None:
        """Notify that it is over. A ticket that belongs to an incident is left open for those who work on it."""
        state = self._case.state
        if not state.told:
            return
        message = messages.resolved(state)
        self._notify(message, "resolved")
        if state.ticket is not None:
            await self._ticket(TicketStep.UPDATE if state.incident else TicketStep.CLOSE, message, "resolved")

    async def settle(self) -> None:
        """Wait until every message was delivered or has failed."""
        while self._tasks:
            await self._tasks.pop(0)

    def _notify(self, message: Message, step: str) -> None:
        if self._case.classified.channels:
            work = self._send(self._case.classified.channels, message, self._case.key(step))
            self._tasks.append(asyncio.create_task(work))

    async def _send(self, channels: tuple[str, ...], message: Message, key: str) -> None:
        for delivery in await notify_all(channels, message, key):
            if delivery.result is DeliveryResult.FAILED:
                self._case.note(f"{delivery.channel} was not notified: {delivery.reason} {delivery.message}")

    async def _ticket(self, step: TicketStep, message: Message, event: str) -> None:
        """Open, update or close the ticket: one for each incident, or for the alert when it has none."""
        state, system = self._case.state, self._case.classified.ticket
        if not system:
            return
        request = TicketRequest(
            system=system,
            step=step,
            thread=message.thread,
            key=self._case.key(event),
            since=state.opened_at or self._case.begun_at,
            message=message,
            ref=state.ticket,
        )
        ticket, problem = await sync_ticket(request)
        if ticket is not None:
            self._case.set(ticket=ticket)
        else:
            self._case.note(f"no ticket: {problem}")
