"""People: what they were asked, what they answered, and whether they want the incident to stand still."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from temporalio import workflow

from prunella_workflows.contracts.healing import DiagnoseReport
from prunella_workflows.healing.reporter import IncidentReporter
from prunella_workflows.healing.status_builder import StatusBuilder
from prunella_workflows.model.incident import Approval, Decision, IncidentSpec
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.model.plan import Action
from prunella_workflows.temporal.activity_calls import pace

FRESH_FOR = timedelta(minutes=1)
"""For how long a diagnosis may be acted on while people are waited for; then one must look again."""

_LOOK_EVERY, _LOOK_AT_MOST = timedelta(minutes=1), timedelta(hours=1)
"""From one look whether the incident is still there to the next, while people are waited for."""


class ApprovalGate:
    """The human side of one incident. `suspended` is set by the workflow's signal.

    Of the answers the first one counts that comes from somebody who may give it. That is tested again with every new
    diagnosis, and once more right before the write.
    """

    def __init__(self, story: StatusBuilder, telling: IncidentReporter, spec: IncidentSpec) -> None:
        self._story = story
        self._telling = telling
        self._agreed: str | None = None
        self._asked_at: datetime | None = None
        self._called = False
        self._new: list[Approval] = [spec.approval] if spec.approval else []
        self._too_late: list[Approval] = []
        self.answer: Approval | None = None
        self.suspended = spec.suspend

    @property
    def latest(self) -> Approval | None:
        """The answer that counts, or else the first that nobody has looked at."""
        return self.answer or next(iter(self._new), None)

    def hear(self, answer: Approval) -> None:
        """An answer came in, maybe the same one again. After one that counts it is too late for others."""
        if self.answer is None:
            self._new += [] if answer in self._new else [answer]
        elif (answer.decision, answer.by) != (self.answer.decision, self.answer.by):
            self._ignore(answer, self.answer)

    def _ignore(self, answer: Approval, counts: Approval) -> None:
        if answer not in self._too_late:
            self._too_late.append(answer)
            self._story.answer_ignored(answer, counts)

    async def approve(self, report: DiagnoseReport) -> bool:
        """Ask when the policy wants it, and wait for days if need be. False when the incident was handed over.

        True after more than FRESH_FOR only means that somebody answered: look again, and ask here again.
        """
        if not report.approval_needed:
            return True
        asked = workflow.now()
        while not self._somebody_may(report.approvers):
            if self._new and workflow.now() - asked > FRESH_FOR:  # the list of approvers may be out of date
                return True
            self._turn_away(report.approvers)
            if not await self._ask(report.approval_timeout):
                await self._telling.hand_over("ApprovalTimedOut", "Nobody answered in time.", self._story.status.plan)
                return False
        return await self._answered(report.plan.steps[0].action)

    def _somebody_may(self, approvers: tuple[str, ...]) -> bool:
        """Whether an answer counts: of those that came in, the first by somebody who may answer."""
        heard = [*([self.answer] if self.answer else []), *self._new]
        allowed = [one for one in heard if one.is_by_one_of(approvers)]
        self.answer = next(iter(allowed), None)
        if self.answer is None:
            self._new = heard
            return False
        self._new = []
        for late in allowed[1:]:
            self._ignore(late, self.answer)
        return True

    def _turn_away(self, approvers: tuple[str, ...]) -> None:
        """Answers by people who may not give one do not count, and are told."""
        for answer in self._new:
            self._story.turned_away(answer, approvers, workflow.now())
        self._new = []

    async def _ask(self, seconds: float) -> bool:
        """Wait for an answer; False when none came in the time that began with the first question."""
        now = workflow.now()
        self._asked_at = self._asked_at or now
        self._story.asking(now)
        await self._telling.report()
        until = self._asked_at + timedelta(seconds=seconds)
        if self._telling.rule.channels and not self._called:
            self._called = True
            await self._call_people(until)
        return await self._hear(until)

    async def _call_people(self, until: datetime) -> None:
        """Tell those who may not be looking; who answers meanwhile is not kept waiting."""
        calling = asyncio.create_task(self._telling.ask_people())
        try:
            if await self._hear(until, or_when=calling.done) and calling.done():
                await calling
                await self._telling.report()
        finally:
            calling.cancel()

    async def _hear(self, until: datetime, *, or_when: Callable[[], bool] = lambda: False) -> bool:
        """Wait for an answer; False when none came in time."""
        return await self._wait(lambda: bool(self._new) or or_when(), until)

    async def _wait(self, holds: Callable[[], bool], until: datetime | None = None) -> bool:
        """Wait until it holds; False when it does not in time.

        Nobody may have told us that the incident was deleted: the report that is made now and then finds it gone.
        """
        began = workflow.now()
        while True:
            now = workflow.now()
            ends = [until - now] if until is not None else []
            pauses = [pace(now - began, _LOOK_EVERY, _LOOK_AT_MOST)]
            try:
                await workflow.wait_condition(
                    holds, timeout=min((max(end, timedelta()) for end in (*ends, *pauses)), default=None)
                )
            except TimeoutError:
                if until is not None and workflow.now() >= until:
                    return False
                await self._telling.report()
            else:
                return True

    async def _answered(self, action: Action) -> bool:
        """What the answer permits: this kind of repair, and no other that may follow when it does not help."""
        answer = self.answer
        assert answer is not None
        who = f"{answer.by or 'somebody'}" + (f": {answer.reason}" if answer.reason else "")
        if answer.decision is not Decision.APPROVED:
            self._story.approval("False", "Rejected", f"Rejected by {who}", workflow.now())
            message = f"The repair was rejected by {who}"
            await self._telling.hand_over("Rejected", message, "Repair it in another way.")
            return False
        if self._agreed not in (None, action.kind):
            message = f"A person agreed to {self._agreed}; it did not help, and what is left was not asked for."
            await self._telling.hand_over("ActionNotApproved", message, self._story.status.plan)
            return False
        self._agreed = action.kind
        self._story.approval("True", "Approved", f"Approved by {who}", workflow.now())
        return True

    async def let_go_on(self) -> None:
        """Stand still while the incident is suspended."""
        if self.suspended:
            message = "Suspended by spec.suspend; nothing is changed."
            self._story.phase(Phase.DIAGNOSING, "Suspended", message)
            await self._telling.report()
            await self._wait(lambda: not self.suspended)
