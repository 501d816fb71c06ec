"""Approval: notify the approvers, remind them, and wait for the first valid answer, for a week by default."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from enum import StrEnum

from temporalio import workflow
from temporalio.exceptions import ActivityError

from prunella_workflows.contracts.notifications import Link, Message
from prunella_workflows.model.base import Value
from prunella_workflows.model.duration import Duration
from prunella_workflows.model.incident import Approval, Decision, Severity
from prunella_workflows.model.incident_status import Delivery
from prunella_workflows.notifications.delivery import notify_all

_DAY = 86_400.0
_KEPT = 20
"""Refused answers and deliveries that the state keeps: the newest."""


class ApprovalRequest(Value):
    """The question, the people who may answer, and the channels that reach them.

    `approvers` are NAME, user:NAME or group:NAME; without any, everyone may answer. A channel is NAMESPACE/SECRET.
    Durations are seconds, or texts such as "7d"; a reminder interval of 0 means no reminders.
    """

    title: str
    what: str
    approvers: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    severity: Severity = Severity.MEDIUM
    links: tuple[Link, ...] = ()
    timeout: Duration = 7 * _DAY
    reminder_interval: Duration = _DAY


class ApprovalAnswer(Value):
    """The argument of the signals: the person, their groups, and the reason."""

    by: str
    groups: tuple[str, ...] = ()
    reason: str = ""


class ApprovalStatus(StrEnum):
    """The status of an approval."""

    WAITING = "Waiting"
    APPROVED = "Approved"
    REJECTED = "Rejected"
    TIMED_OUT = "TimedOut"


class ApprovalResult(Value):
    """The end of an approval: who decided, why, and when. The caller acts on it."""

    status: ApprovalStatus = ApprovalStatus.WAITING
    by: str = ""
    reason: str = ""
    at: datetime | None = None

    @property
    def approved(self) -> bool:
        """Report whether an approver said yes."""
        return self.status is ApprovalStatus.APPROVED


class RefusedAnswer(Value):
    """An answer of a person who is no approver."""

    decision: Decision
    by: str
    at: datetime


class ApprovalState(Value):
    """An approval as it is now. `notified` counts the first message and the reminders."""

    result: ApprovalResult = ApprovalResult()
    requested_at: datetime
    expires_at: datetime
    notified: int = 0
    deliveries: tuple[Delivery, ...] = ()
    refused: tuple[RefusedAnswer, ...] = ()


@workflow.defn(name="Approval")
class ApprovalWorkflow:
    """One question to people. A channel that is down neither delays an answer nor ends the wait."""

    @workflow.init
    def __init__(self, request: ApprovalRequest) -> None:
        now = workflow.now()
        self._request = request
        self._state = ApprovalState(requested_at=now, expires_at=now + timedelta(seconds=request.timeout))

    @workflow.run
    async def run(self, request: ApprovalRequest) -> ApprovalResult:
        """Wait for the first answer of an approver."""
        with self._notifying():
            try:
                await workflow.wait_condition(lambda: self._is_answered, timeout=timedelta(seconds=request.timeout))
            except TimeoutError:
                self._decide(ApprovalStatus.TIMED_OUT)
        return self._state.result

    @workflow.signal
    def approve(self, answer: ApprovalAnswer) -> None:
        """Approve, if the person may and no one has answered before."""
        self._receive(Decision.APPROVED, answer)

    @workflow.signal
    def reject(self, answer: ApprovalAnswer) -> None:
        """Reject, if the person may and no one has answered before."""
        self._receive(Decision.REJECTED, answer)

    @workflow.query(name="getState")
    def get_state(self) -> ApprovalState:
        """The state as it is now."""
        return self._state

    @property
    def _is_answered(self) -> bool:
        return self._state.result.status is not ApprovalStatus.WAITING

    def _receive(self, decision: Decision, answer: ApprovalAnswer) -> None:
        if self._is_answered:
            return
        if Approval(decision=decision, by=answer.by, groups=answer.groups).is_by_one_of(self._request.approvers):
            self._decide(ApprovalStatus(decision), by=answer.by, reason=answer.reason)
        else:
            refused = RefusedAnswer(decision=decision, by=answer.by, at=workflow.now())
            self._set(refused=(*self._state.refused, refused)[-_KEPT:])

    def _decide(self, status: ApprovalStatus, by: str = "", reason: str = "") -> None:
        self._set(result=ApprovalResult(status=status, by=by, reason=reason, at=workflow.now()))

    @contextmanager
    def _notifying(self) -> Iterator[None]:
        """Notify in the background, for as long as the block waits."""
        notifying = asyncio.create_task(self._notify())
        try:
            yield
        finally:
            notifying.cancel()

    async def _notify(self) -> None:
        """Notify the channels at once and at the time of each reminder."""
        if not self._request.channels:
            return
        with suppress(ActivityError):  # only one that was cancelled
            await self._notify_channels(0)
            for number, due in enumerate(self._reminder_times(), 1):
                await workflow.sleep(max(due - workflow.now(), timedelta()))
                await self._notify_channels(number)

    def _reminder_times(self) -> Iterator[datetime]:
        interval = timedelta(seconds=self._request.reminder_interval)
        due = self._state.requested_at + interval
        while interval and due < self._state.expires_at:
            yield due
            due += interval

    async def _notify_channels(self, number: int) -> None:
        info = workflow.info()
        key = f"{info.workflow_id}-{info.run_id}-{number}"
        deliveries = await notify_all(self._request.channels, self._message(number), key)
        self._set(notified=number + 1, deliveries=(*self._state.deliveries, *deliveries)[-_KEPT:])

    def _message(self, number: int) -> Message:
        request = self._request
        reminder = f"Reminder {number}: " if number else ""
        return Message(
            thread=workflow.info().workflow_id,
            severity=request.severity,
            title=f"{reminder}{request.title} waits for approval",
            what=request.what,
            next_step=_how_to_answer(request.approvers, self._state.expires_at),
            links=request.links,
        )

    def _set(self, **values: object) -> None:
        self._state = self._state.model_copy(update=values)


def _how_to_answer(approvers: tuple[str, ...], deadline: datetime) -> str:
    who = ", ".join(approvers) or "anyone"
    command = f"temporal workflow signal --workflow-id {workflow.info().workflow_id} --name approve --input"
    answer = """'{"by": "NAME", "reason": "WHY"}'"""
    return f"By {deadline:%Y-%m-%d %H:%M} UTC, {who}: {command} {answer} (or --name reject)"
