"""The Escalation workflow: tells people of an incident that was handed over, level by level, until somebody comes.

It begins when SelfHealing ends, goes on from its status, and from then on is that status's one writer. Nothing that
fails here stops it: a channel that is down is told of in the status, and the next level is told in time.
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
from prunella_workflows.model.policy import EscalationLevel, EscalationRule
from prunella_workflows.notifications import messages
from prunella_workflows.notifications.delivery import keep_ticket, notify_all
from prunella_workflows.temporal.activity_calls import ActivityCaller
from prunella_workflows.temporal.failures import error_message, error_type

AT_MOST = timedelta(days=7)
ACKNOWLEDGED, CANCELLED, DELETED, GAVE_UP = "Acknowledged", "Cancelled", "Deleted", "GaveUp"
_OVER = {
    RECOVERED: "The fault is gone: the pods have been healthy at two looks in a row.",
    TARGET_GONE: "The workload is gone.",
    CANCELLED: "A person has ended the escalation.",
    DELETED: "The incident was deleted.",
}
_KEPT = 64  # deliveries in the status


class EscalationRequest(Value):
    """What an Escalation starts from: the incident as it was handed over, and the rule of its policy."""

    incident: IncidentRef
    spec: IncidentSpec
    opened_at: datetime
    status: IncidentStatus
    rule: EscalationRule
    acknowledged: Acknowledgement | None = None


def escalation_id(incident_uid: str) -> str:
    """The Escalation workflow of an incident: one, for ever."""
    return f"escalation-{incident_uid}"


@workflow.defn(name="Escalation")
class Escalation:
    """One incident from its hand-over until a person has it, or nobody is needed."""

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
        self._beside: list[asyncio.Task[None]] = []
        self._deleted = False
        rule = request.rule
        ask = ConfirmRequest(incident=request.incident, spec=request.spec, opened_at=request.opened_at)
        wanted = bool(rule.ticket or rule.channels or rule.levels)
        self._lookout = RecoveryMonitor(self._calls, ask, request.status.target, wanted=wanted)

    @workflow.run
    async def run(self, request: EscalationRequest) -> EscalationNote:
        """Tell, wait, tell the next; keep the ticket meanwhile."""
        del request  # kept by __init__, so that signals may arrive before the first step
        try:
            ended = await self._until_over()
        except BaseException as error:
            if not is_cancelled_exception(error):
                raise
            ended = CANCELLED
        await self._calls.unbroken(self._end(ended))
        return self._note

    @workflow.signal
    def acknowledge(self, answer: Acknowledgement) -> None:
        """A person takes over. The first one counts."""
        self._acknowledged = self._acknowledged or answer

    @property
    def _note(self) -> EscalationNote:
        note = self._status.escalation
        assert note is not None, "only what was handed over is escalated"
        return note

    async def _until_over(self) -> str:
        self._run_beside(self._open_ticket())
        ended = await self._climb()
        if ended != ACKNOWLEDGED:
            return ended or GAVE_UP
        await self._taken_over()
        if self._request.rule.ticket:  # it is closed when the fault is gone
            ended = await self._wait(self._started + AT_MOST, for_people=False) or ended
        return ended

    async def _climb(self) -> str:
        """Tell each level at its time; in quiet hours time stands still. Why it is over, or "" when time is up."""
        shift = timedelta()
        for number, level in enumerate(self._request.rule.ladder):
            due = self._started + timedelta(seconds=level.after) + shift
            loud = due if self._request.spec.severity is Severity.CRITICAL else self._request.rule.quiet_until(due)
            shift += loud - due
            if ended := await self._wait(loud):
                return ended
            if level.channels:
                self._run_beside(self._tell(number, level))  # a channel that is down must not delay the next level
        return await self._wait(self._started + AT_MOST)

    async def _wait(self, until: datetime, *, for_people: bool = True) -> str:
        """Wait until then, or until it is over: why it is, or ""."""
        while True:
            if for_people and self._acknowledged is not None:
                return ACKNOWLEDGED
            if self._deleted:
                return DELETED
            if workflow.now() >= until:
                return ""
            if ended := await self._lookout.look():
                return ended
            with suppress(TimeoutError):
                await workflow.wait_condition(
                    lambda: self._deleted or (for_people and self._acknowledged is not None),
                    timeout=self._lookout.pause(until),
                )

    async def _tell(self, number: int, level: EscalationLevel) -> None:
        ref, spec, status = self._request.incident, self._request.spec, self._status
        message = messages.needs_a_person(ref, spec, status)
        if number:
            message = messages.nobody_came(message, workflow.now() - self._started)
        told = await notify_all(level.channels, self._linked(message), f"{ref.uid}-level-{number}")
        self._delivered(told, level=number)
        await self._report()
        if number:
            await self._keep_ticket(TicketStep.UPDATE, message, f"level-{number}")

    async def _taken_over(self) -> None:
        answer = self._acknowledged
        assert answer is not None
        self._set(acknowledged_by=answer.by, acknowledged_at=answer.at or workflow.now())
        self._event("Normal", ACKNOWLEDGED, "Acknowledge", f"{answer.by} has taken over")
        await self._report()
        message = messages.taken_over(self._request.incident, self._request.spec, self._status, answer.by)
        await self._keep_ticket(TicketStep.UPDATE, message, "acknowledged")

    async def _end(self, ended: str) -> None:
        await asyncio.gather(*self._beside)
        await self._report()
        if self._deleted and ended == CANCELLED:
            ended = DELETED
        self._set(ended=ended, ended_at=workflow.now())
        self._event("Normal", "EscalationEnded", "Escalate", _OVER.get(ended, f"{ended}: nobody is told any more"))
        if ended in _OVER:
            message = messages.over(self._request.incident, self._request.spec, self._status, _OVER[ended])
            await asyncio.gather(self._close_ticket(message), self._give_all_clear(message))
        await self._report()

    async def _give_all_clear(self, message: Message) -> None:
        """Those who were called and of whom nobody came are told that nobody need come."""
        reached = dict.fromkeys(one.channel for one in self._note.delivered if one.result is not DeliveryResult.FAILED)
        if reached and self._acknowledged is None:
            told = await notify_all(tuple(reached), self._linked(message), f"{self._request.incident.uid}-end")
            self._delivered(told)

    async def _open_ticket(self) -> None:
        message = messages.needs_a_person(self._request.incident, self._request.spec, self._status)
        await self._keep_ticket(TicketStep.OPEN, message, "open")

    async def _close_ticket(self, message: Message) -> None:
        if self._note.ticket is not None:
            await self._keep_ticket(TicketStep.CLOSE, message, "end")

    async def _keep_ticket(self, step: TicketStep, message: Message, key: str) -> None:
        """Take a step on the ticket; one that could not be opened before is opened with it."""
        if not self._request.rule.ticket:
            return
        async with self._tickets:  # two steps at once could open two
            ticket, problem = await keep_ticket(self._ticket_request(step, message, key))
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

    def _delivered(self, told: tuple[Delivery, ...], **values: Any) -> None:
        self._set(delivered=(*self._note.delivered, *told)[-_KEPT:], **values)
        for one in told:
            kind, reason, what = messages.delivery(one)
            self._event(kind, reason, "Escalate", what)

    def _linked(self, message: Message) -> Message:
        ticket = self._note.ticket
        if ticket is None:
            return message
        link = Link(label="Ticket", target=ticket.url or ticket.key)
        return message.model_copy(update={"links": (link, *message.links)})

    def _run_beside(self, work: Coroutine[Any, Any, None]) -> None:
        self._beside.append(asyncio.create_task(work))

    def _set(self, **values: Any) -> None:
        note = self._note.model_copy(update=values)
        self._status = self._status.model_copy(update={"escalation": note})

    def _event(self, kind: str, reason: str, action: str, note: str) -> None:
        self._posted += 1
        key = f"escalation-{self._posted}"
        self._events.append(EventNote(key=key, type=kind, reason=reason, action=action, note=note[:1024]))

    async def _report(self) -> None:
        """Write the status as it is now, one report at a time. A report that fails costs nobody a call."""
        async with self._reports:
            news = ReportRequest(incident=self._request.incident, status=self._status, events=tuple(self._events))
            self._events = []
            try:
                await self._calls.call(HealingActivities.report, news)
            except ActivityError as error:
                self._deleted = self._deleted or error_type(error) == NotFound.__name__
                self._events = [*news.events, *self._events]
                workflow.logger.warning("the escalation could not be reported: %s", error_message(error))
