"""People: what they were asked, what they answered, and whether they want the incident to stand still."""

from datetime import timedelta

from temporalio import workflow

from prunella_workflows.contract import DiagnoseReport
from prunella_workflows.model.incident import Approval, IncidentSpec, Phase
from prunella_workflows.model.plan import Action
from prunella_workflows.story import Story
from prunella_workflows.telling import Telling


class People:
    """The human side of one incident. `answer` and `suspended` are set by the workflow's signals."""

    def __init__(self, story: Story, telling: Telling, spec: IncidentSpec) -> None:
        self._story = story
        self._telling = telling
        self._agreed: str | None = None
        self.answer: Approval | None = spec.approval
        self.suspended = spec.suspend

    async def approve(self, report: DiagnoseReport) -> bool:
        """Ask when the policy wants it, and wait for days if need be. False when the incident was handed over."""
        if not report.approval_needed:
            return True
        if self.answer is None and not await self._ask(report.approval_timeout):
            await self._telling.hand_over("ApprovalTimedOut", "Nobody answered in time.", self._story.status.plan)
            return False
        return await self._answered(report.plan.steps[0].action)

    async def _ask(self, seconds: float) -> bool:
        message = f"Waiting for a person to approve: {self._story.status.plan}."
        self._story.phase(Phase.AWAITING_APPROVAL, "ApprovalNeeded", message)
        self._story.approval("Unknown", "ApprovalNeeded", message, workflow.now())
        await self._telling.report()
        try:
            await workflow.wait_condition(lambda: self.answer is not None, timeout=timedelta(seconds=seconds))
        except TimeoutError:
            return False
        return True

    async def _answered(self, action: Action) -> bool:
        """What the answer permits: this kind of repair, and no other that may follow when it does not help."""
        answer = self.answer
        assert answer is not None
        who = f"{answer.by or 'somebody'}" + (f": {answer.reason}" if answer.reason else "")
        if answer.decision != "Approved":
            self._story.approval("False", "Rejected", f"Rejected by {who}", workflow.now())
            message = f"The repair was rejected by {who}"
            await self._telling.hand_over("Rejected", message, "Repair it in another way.")
            return False
        if self._agreed not in (None, action.kind):
            message = f"A person agreed to {self._agreed}; it did not help, and what is left was not asked for."
            await self._telling.hand_over("NotAskedFor", message, self._story.status.plan)
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
            await workflow.wait_condition(lambda: not self.suspended)
