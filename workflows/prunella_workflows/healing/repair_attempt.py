"""Changes: one repair at a time is made, once; is watched until its verdict; and is taken back if it did not help.

Used inside the workflow only. Nothing here chooses what to change: the order carries a step of the plan.
"""

from datetime import timedelta
from enum import Enum, auto

from temporalio import workflow
from temporalio.exceptions import ActivityError

from prunella_workflows.contracts.healing import (
    DiagnoseReport,
    HealingActivities,
    HealingRequest,
    Repaired,
    RepairOrder,
    VerifyRequest,
    action_id,
)
from prunella_workflows.healing.reporter import IncidentReporter
from prunella_workflows.healing.status_builder import StatusBuilder
from prunella_workflows.model.errors import ChangedSince, Held
from prunella_workflows.model.incident import Approval
from prunella_workflows.model.outcome import Judgement, Verdict
from prunella_workflows.model.plan import Step
from prunella_workflows.temporal.activity_calls import ActivityCaller, pace
from prunella_workflows.temporal.failures import error_message, error_type, is_permanent

LOOK_EVERY = timedelta(seconds=2)
BLIND_AFTER = timedelta(seconds=20)
BLIND_AT_MOST = timedelta(hours=1)
BAD = (Verdict.NOT_HEALED, Verdict.WORSE)


class Outcome(Enum):
    """What came of an order."""

    APPLIED = auto()
    STALE = auto()
    """The object is not what it was: decide again."""
    BLOCKED = auto()
    """A guard says "not now": ask again later."""


class RepairExecutor:
    """The changes of one incident. `in_force` is the one that is made and neither judged good nor taken back."""

    def __init__(
        self, calls: ActivityCaller, story: StatusBuilder, telling: IncidentReporter, request: HealingRequest
    ) -> None:
        self._calls = calls
        self._story = story
        self._telling = telling
        self._request = request
        self._orders = 0
        self.in_force: Repaired | None = None

    async def make(self, step: Step, report: DiagnoseReport, answer: Approval | None) -> Outcome:
        """Make one change, once. Unless it is made nothing was written."""
        self._orders += 1
        order = RepairOrder(
            incident=self._request.incident,
            action_id=action_id(self._request.incident.uid, self._orders),
            action=step.action,
            cause=report.diagnosis.cause,
            severity=self._request.spec.severity,
            answer=answer,
        )
        self._story.trying(step, order.action_id, self._orders, report.diff, workflow.now())
        await self._telling.report()
        try:
            done = await self._calls.unbroken(self._calls.until_certain(HealingActivities.repair, order))
        except ActivityError as error:
            return await self._not_made(error)
        self.in_force = done
        self._story.repaired(done, workflow.now())
        self._calls.stop_if_cancelled()
        await self._telling.report()
        return Outcome.APPLIED

    async def _not_made(self, error: ActivityError) -> Outcome:
        """Why nothing was written, and whether that may change. Any other error goes on."""
        kind, message = error_type(error), error_message(error)
        if not is_permanent(error):
            self._story.uncertain(message, workflow.now())
            raise error
        if kind == Held.__name__:
            self._story.held_back(message)
        else:
            self._story.not_made(message, workflow.now())
        self._calls.stop_if_cancelled()
        if kind not in (Held.__name__, ChangedSince.__name__):
            raise error
        await self._telling.report()
        return Outcome.BLOCKED if kind == Held.__name__ else Outcome.STALE

    async def verdict(self, step: Step, report: DiagnoseReport) -> Judgement:
        """Look until it is known what came of the change in force."""
        done = self.in_force
        assert done is not None
        ask = VerifyRequest(
            target=step.action.target,
            action=step.action,
            action_id=done.action_id,
            template_hash=done.template_hash,
            written_at=done.written_at,
            available_before=report.available,
            settle=step.settle,
            has_checks=report.has_checks,
        )
        started = looked = workflow.now()
        pause = timedelta()
        while True:
            judgement = await self._calls.call(HealingActivities.verify, ask)
            ask = ask.model_copy(update={"calm_since": judgement.calm_since})
            gap, looked = workflow.now() - looked - pause, workflow.now()
            pause = pace(looked - started, LOOK_EVERY)
            if gap > BLIND_AFTER and judgement.verdict in BAD and ask.blind < BLIND_AT_MOST.total_seconds():
                # Nobody could look for a while, so what was late may still come: that time does not count.
                ask = ask.model_copy(update={"blind": ask.blind + gap.total_seconds()})
            elif judgement.verdict is not None:
                return judgement
            elif self._story.progress(judgement):
                await self._telling.report()
            await workflow.sleep(pause)

    async def undo(self) -> bool:
        """Take the change in force back. False when it became somebody else's: then a person is told."""
        done = self.in_force
        assert done is not None
        if done.undo is None:
            self.in_force = None
            return True
        order = RepairOrder(
            incident=self._request.incident,
            action_id=action_id(self._request.incident.uid, self._orders, undo=True),
            action=done.undo,
        )
        try:
            await self._calls.unbroken(self._calls.until_certain(HealingActivities.undo, order))
        except ActivityError as error:
            self.in_force = None
            self._story.not_undone(error_message(error))
            await self._telling.hand_over(
                "NotUndone", f"The repair could not be undone: {error_message(error)}", str(done.undo)
            )
            return False
        self.in_force = None
        self._story.undone(workflow.now())
        return True
