"""The Escalation workflow: notifies people of an incident, level by level, until someone acknowledges.

It begins when SelfHealing ends, continues from its status, and is the only writer of that status from then on. Nothing
that fails here stops it: a channel that is down is noted in the status, and the next level is notified in time.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from prunella_workflows.contracts.healing import ConfirmRequest, EventNote, HealingActivities, ReportRequest
from prunella_workflows.contracts.notifications import Link, Message, TicketRequest, TicketStep
from prunella_workflows.escalation.recovery_check import RECOVERED, TARGET_GONE, RecoveryMonitor
from prunella_workflows.model.base import Value
from prunella_workflows.model.errors import NotFound
from prunella_workflows.model.incident import Acknowledgement, IncidentRef, IncidentSpec, Severity
from prunella_workflows.model.incident_status import Delivery, DeliveryResult, EscalationNote, IncidentStatus
from prunella_workflows.model.policy_escalation import EscalationLevel, EscalationRule
from prunella_workflows.notifications import messages
from prunella_workflows.notifications.delivery import notify_all, sync_ticket
from prunella_workflows.temporal.activity_calls import ActivityCaller
from prunella_workflows.temporal.failures import error_message, error_type

ESCALATION_LIMIT = timedelta(days=7)
ACKNOWLEDGED, CANCELLED, DELETED, GAVE_UP = "Acknowledged", "Cancelled", "Deleted", "GaveUp"
_END_MESSAGES = {
    RECOVERED: "The fault is gone: the pods were healthy in two checks in a row.",
    TARGET_GONE: "The workload is gone.",
    CANCELLED: "The escalation was cancelled.",
    DELETED: "The incident was deleted.",
}
_MAX_DELIVERIES = 64  # in the status


class EscalationRequest(Value):
    """The input of an Escalation: the incident as it was escalated, and the rule of its policy."""

    incident: IncidentRef
    spec: IncidentSpec
    opened_at: datetime
    status: IncidentStatus
    rule: EscalationRule
    acknowledged: Acknowledgement | None = None


def escalation_id(incident_uid: str) -> str:
    """The id of the one Escalation workflow of an incident."""
    return f"escalation-{incident_uid}"


@workflow.defn(name="Escalation")
class Escalation:
    """One incident from its escalation until a person has acknowledged it, or no one is needed."""

    @workflow.init
    def __init__(self, request: EscalationRequest) -> None:
        self._request = request
        self._status = request.status
        self._calls = ActivityCaller()
        self._started = workflow.now()
        self._acknowledged = request.acknowledged
        self._reports, self._tickets = asyncio.Lock(), asyncio.Lock()
        self._events: list[EventNote] = []
        self._posted = 0
        self._background: list[asyncio.Task[None]] = []
        self._deleted = False
        rule = request.rule
        check = ConfirmRequest(incident=request.incident, spec=request.spec, opened_at=request.opened_at)
        enabled = bool(rule.ticket or rule.channels or rule.levels)
        self._recovery = RecoveryMonitor(self._calls, check, request.status.target, enabled=enabled)

    @workflow.run
    async def run(self, request: EscalationRequest) -> EscalationNote:
        """Notify each level in turn, and keep the ticket up to date."""
        del request  # kept by __init__, so that signals may arrive before the first step
        try:
            ended = await self._run_until_over()
        except BaseException as error:
            if not is_cancelled_exception(error):
                raise
            ended = CANCELLED
        await self._calls.shielded(self._end(ended))
        return self._note

    @workflow.signal
    def acknowledge(self, answer: Acknowledgement) -> None:
        """Note who takes over. The first one counts."""
        self._acknowledged = self._acknowledged or answer

    @property
    def _note(self) -> EscalationNote:
        note = self._status.escalation
        assert note is not None, "only an escalated incident comes here"
        return note

    async def _run_until_over(self) -> str:
        self._run_in_background(self._open_ticket())
        ended = await self._notify_levels()
        if ended != ACKNOWLEDGED:
            return ended or GAVE_UP
        await self._acknowledge()
        if self._request.rule.ticket:  # closed when the fault is gone
            ended = await self._wait(self._started + ESCALATION_LIMIT, for_people=False) or ended
        return ended

    async def _notify_levels(self) -> str:
        """Notify each level at its time; quiet hours do not count. Return why it is over, or "" when time is up."""
        shift = timedelta()
        for number, level in enumerate(self._request.rule.ladder):
            due = self._started + timedelta(seconds=level.after) + shift
            loud = due if self._request.spec.severity is Severity.CRITICAL else self._request.rule.quiet_until(due)
            shift += loud - due
            if ended := await self._wait(loud):
                return ended
            if level.channels:
                # a channel that is down must not delay the next level
                self._run_in_background(self._notify_level(number, level))
        return await self._wait(self._started + ESCALATION_LIMIT)

    async def _wait(self, until: datetime, *, for_people: bool = True) -> str:
        """Wait until then, or until it is over. Return why it is over, or ""."""
        while True:
            if for_people and self._acknowledged is not None:
                return ACKNOWLEDGED
            if self._deleted:
                return DELETED
            if workflow.now() >= until:
                return ""
            if ended := await self._recovery.check():
                return ended
            with suppress(TimeoutError):
                await workflow.wait_condition(
                    lambda: self._deleted or (for_people and self._acknowledged is not None),
                    timeout=self._recovery.pause(until),
                )

    async def _notify_level(self, number: int, level: EscalationLevel) -> None:
        ref, spec, status = self._request.incident, self._request.spec, self._status
        message = messages.escalated(ref, spec, status)
        if number:
            message = messages.unacknowledged(message, workflow.now() - self._started)
        deliveries = await notify_all(level.channels, self._add_ticket_link(message), f"{ref.uid}-level-{number}")
        self._add_deliveries(deliveries, level=number)
        await self._report()
        if number:
            await self._sync_ticket(TicketStep.UPDATE, message, f"level-{number}")

    async def _acknowledge(self) -> None:
        answer = self._acknowledged
        assert answer is not None
        self._set(acknowledged_by=answer.by, acknowledged_at=answer.at or workflow.now())
        self._event("Normal", ACKNOWLEDGED, "Acknowledge", f"acknowledged by {answer.by}")
        await self._report()
        message = messages.acknowledged(self._request.incident, self._request.spec, self._status, answer.by)
        await self._sync_ticket(TicketStep.UPDATE, message, "acknowledged")

    async def _end(self, ended: str) -> None:
        await asyncio.gather(*self._background)
        await self._report()
        if self._deleted and ended == CANCELLED:
            ended = DELETED
        self._set(ended=ended, ended_at=workflow.now())
        note = _END_MESSAGES.get(ended, f"{ended}: no further notifications")
        self._event("Normal", "EscalationEnded", "Escalate", note)
        if ended in _END_MESSAGES:
            message = messages.resolved(self._request.incident, self._request.spec, self._status, _END_MESSAGES[ended])
            await asyncio.gather(self._close_ticket(message), self._send_all_clear(message))
        await self._report()

    async def _send_all_clear(self, message: Message) -> None:
        """Send an all-clear to every channel that was notified, unless someone has acknowledged."""
        notified = dict.fromkeys(
            delivery.channel for delivery in self._note.delivered if delivery.result is not DeliveryResult.FAILED
        )
        if notified and self._acknowledged is None:
            key = f"{self._request.incident.uid}-end"
            self._add_deliveries(await notify_all(tuple(notified), self._add_ticket_link(message), key))

    async def _open_ticket(self) -> None:
        message = messages.escalated(self._request.incident, self._request.spec, self._status)
        await self._sync_ticket(TicketStep.OPEN, message, "open")

    async def _close_ticket(self, message: Message) -> None:
        if self._note.ticket is not None:
            await self._sync_ticket(TicketStep.CLOSE, message, "end")

    async def _sync_ticket(self, step: TicketStep, message: Message, key: str) -> None:
        """Open, update or close the ticket; if it could not be opened before, that is done first."""
        if not self._request.rule.ticket:
            return
        async with self._tickets:  # two steps at once could open two
            ticket, problem = await sync_ticket(self._ticket_request(step, message, key))
        if problem:
            self._event("Warning", "TicketFailed", "Escalate", problem)
        if (ticket or self._note.ticket, problem) != (self._note.ticket, self._note.ticket_error):
            self._set(ticket=ticket or self._note.ticket, ticket_error=problem)
            await self._report()

    def _ticket_request(self, step: TicketStep, message: Message, key: str) -> TicketRequest:
        return TicketRequest(
            system=self._request.rule.ticket or "",
            step=step,
            thread=self._request.incident.uid,
            key=f"{self._request.incident.uid}-{key}",
            since=self._request.opened_at,
            message=message,
            ref=self._note.ticket,
        )

    def _add_deliveries(self, deliveries: tuple[Delivery, ...], **values: Any) -> None:
        self._set(delivered=(*self._note.delivered, *deliveries)[-_MAX_DELIVERIES:], **values)
        for delivery in deliveries:
            kind, reason, what = messages.delivery_event(delivery)
            self._event(kind, reason, "Escalate", what)

    def _add_ticket_link(self, message: Message) -> Message:
        ticket = self._note.ticket
        if ticket is None:
            return message
        link = Link(label="Ticket", target=ticket.url or ticket.key)
        return message.model_copy(update={"links": (link, *message.links)})

    def _run_in_background(self, work: Coroutine[Any, Any, None]) -> None:
        self._background.append(asyncio.create_task(work))

    def _set(self, **values: Any) -> None:
        note = self._note.model_copy(update=values)
        self._status = self._status.model_copy(update={"escalation": note})

    def _event(self, kind: str, reason: str, action: str, note: str) -> None:
        self._posted += 1
        key = f"escalation-{self._posted}"
        self._events.append(EventNote(key=key, type=kind, reason=reason, action=action, note=note[:1024]))

    async def _report(self) -> None:
        """Write the status, one report at a time. A report that fails does not stop the notifications."""
        async with self._reports:
            request = ReportRequest(incident=self._request.incident, status=self._status, events=tuple(self._events))
            self._events = []
            try:
                await self._calls.call(HealingActivities.report, request)
            except ActivityError as error:
                self._deleted = self._deleted or error_type(error) == NotFound.__name__
                self._events = [*request.events, *self._events]
                workflow.logger.warning("cannot report the escalation: %s", error_message(error))
