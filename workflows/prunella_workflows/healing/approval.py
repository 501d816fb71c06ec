"""Waiting for people: for the approval of a repair, and while the incident is suspended."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from temporalio import workflow

from prunella_workflows.contracts.healing import DiagnoseReport
from prunella_workflows.healing.reporter import IncidentReporter
from prunella_workflows.healing.state import HealingState
from prunella_workflows.healing.status_builder import StatusBuilder, author
from prunella_workflows.model.incident import Approval, Decision
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.model.plan import Action
from prunella_workflows.temporal.activity_calls import backoff

DIAGNOSIS_FRESHNESS_LIMIT = timedelta(minutes=1)
"""A diagnosis may be acted on for so long while people are waited for; then the fault is checked again."""

_POLL_INTERVAL, _POLL_INTERVAL_LIMIT = timedelta(minutes=1), timedelta(hours=1)
"""Between two checks whether the incident still exists, while people are waited for."""


class ApprovalGate:
    """Lets a repair pass when it needs no approval or has one, and the incident is not suspended.

    The first answer of an approver counts: checked with every new diagnosis, and once more right before the write.
    """

    def __init__(self, state: HealingState, reporter: IncidentReporter) -> None:
        self._state = state
        self._reporter = reporter
        self._status = StatusBuilder(state)

    @property
    def latest(self) -> Approval | None:
        """The answer that counts, or else the first that was not checked yet."""
        return self._state.answer or next(iter(self._state.new_answers), None)

    def receive(self, answer: Approval) -> None:
        """Take an answer, maybe a repeated one. After one that counts, others are too late."""
        counts = self._state.answer
        if counts is None:
            self._state.new_answers += [] if answer in self._state.new_answers else [answer]
        elif (answer.decision, answer.by) != (counts.decision, counts.by):
            self._ignore(answer, counts)

    def _ignore(self, answer: Approval, counts: Approval) -> None:
        if answer not in self._state.late_answers:
            self._state.late_answers.append(answer)
            self._status.answer_ignored(answer, counts)

    async def approve(self, report: DiagnoseReport) -> bool:
        """Wait for an approval if the policy requires one, for days if need be. False when the incident was escalated.

        True after more than DIAGNOSIS_FRESHNESS_LIMIT only means that someone answered: diagnose and call this again.
        """
        if not report.approval_needed:
            return True
        began = workflow.now()
        while not self._select_valid_answer(report.approvers):
            if self._state.new_answers and workflow.now() - began > DIAGNOSIS_FRESHNESS_LIMIT:
                return True  # the list of approvers may be out of date
            self._reject_unauthorized(report.approvers)
            if not await self._request(report.approval_timeout):
                message, plan = "No one answered in time.", self._state.status.plan
                await self._reporter.escalate("ApprovalTimedOut", message, plan)
                return False
        return await self._apply_answer(report.plan.steps[0].action)

    def _select_valid_answer(self, approvers: tuple[str, ...]) -> bool:
        """Choose the answer that counts: the first one by an approver. True when there is one."""
        state = self._state
        received = [*([state.answer] if state.answer else []), *state.new_answers]
        valid = [answer for answer in received if answer.is_by_one_of(approvers)]
        state.answer, state.new_answers = next(iter(valid), None), [] if valid else received
        for late in valid[1:]:
            self._ignore(late, valid[0])
        return bool(valid)

    def _reject_unauthorized(self, approvers: tuple[str, ...]) -> None:
        """Drop answers by people who are no approvers, and report that."""
        for answer in self._state.new_answers:
            self._status.approver_rejected(answer, approvers, workflow.now())
        self._state.new_answers = []

    async def _request(self, seconds: float) -> bool:
        """Request an approval and wait. False when no answer came within the time since the first request."""
        state, now = self._state, workflow.now()
        state.approval_requested_at = state.approval_requested_at or now
        self._status.approval_requested(now)
        await self._reporter.report()
        until = state.approval_requested_at + timedelta(seconds=seconds)
        if state.rule.channels and not state.approvers_notified:
            state.approvers_notified = True
            await self._notify_approvers(until)
        return await self._wait_for_answer(until)

    async def _notify_approvers(self, until: datetime) -> None:
        """Notify the channels in the background: an answer that comes first is not delayed."""
        notifying = asyncio.create_task(self._reporter.request_approval())
        try:
            if await self._wait_for_answer(until, or_when=notifying.done) and notifying.done():
                self._status.approvers_notified(await notifying)
                await self._reporter.report()
        finally:
            notifying.cancel()

    async def _wait_for_answer(self, until: datetime, *, or_when: Callable[[], bool] = lambda: False) -> bool:
        """Wait for an answer; False when none came in time."""
        return await self._wait(lambda: bool(self._state.new_answers) or or_when(), until)

    async def _wait(self, condition: Callable[[], bool], until: datetime | None = None) -> bool:
        """Wait until the condition holds; False when it does not in time.

        A deletion of the incident may go unnoticed, so a report is made from time to time: it fails with NotFound.
        """
        began = workflow.now()
        while True:
            now = workflow.now()
            timeout = backoff(now - began, _POLL_INTERVAL, _POLL_INTERVAL_LIMIT)
            if until is not None:
                timeout = min(timeout, max(until - now, timedelta()))
            try:
                await workflow.wait_condition(condition, timeout=timeout)
            except TimeoutError:
                if until is not None and workflow.now() >= until:
                    return False
                await self._reporter.report()
            else:
                return True

    async def _apply_answer(self, action: Action) -> bool:
        """True when the answer permits the action: this kind of repair, and no other that may follow it."""
        state, answer = self._state, self._state.answer
        assert answer is not None
        who = author(answer) + (f": {answer.reason}" if answer.reason else "")
        if answer.decision is not Decision.APPROVED:
            self._status.rejected(who, workflow.now())
            await self._reporter.escalate("Rejected", f"The repair was rejected by {who}", "Fix the fault another way.")
            return False
        if state.approved_action not in (None, action.kind):
            message = f"{state.approved_action} was approved and did not help; the remaining action was not approved."
            await self._reporter.escalate("ActionNotApproved", message, state.status.plan)
            return False
        state.approved_action = action.kind
        self._status.approved(who, workflow.now())
        return True

    async def wait_while_suspended(self) -> None:
        """Wait until the incident is no longer suspended."""
        if self._state.suspended:
            self._status.set_phase(Phase.DIAGNOSING, "Suspended", "Suspended by spec.suspend; nothing is changed.")
            await self._reporter.report()
            await self._wait(lambda: not self._state.suspended)
