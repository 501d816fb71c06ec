"""One repair: applied once, verified until its verdict, and undone if it did not help.

Used inside the workflow only. Nothing here chooses what to change: the order carries a step of the plan.
"""

from datetime import timedelta
from enum import Enum, auto

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from prunella_workflows.contracts import healing
from prunella_workflows.contracts.healing import DiagnoseReport, HealingActivities, HealingRequest
from prunella_workflows.healing.reporter import IncidentReporter
from prunella_workflows.healing.state import HealingState
from prunella_workflows.healing.status_builder import StatusBuilder
from prunella_workflows.model.autonomy import AutonomyLevel
from prunella_workflows.model.errors import ChangedSince, Held
from prunella_workflows.model.outcome import Judgement, inconclusive
from prunella_workflows.model.plan import Action, RestoreTemplate, SetMemory, Step
from prunella_workflows.temporal.activity_calls import ActivityCaller, backoff
from prunella_workflows.temporal.failures import error_message, error_type, is_permanent

VERIFY_INTERVAL = timedelta(seconds=2)
VERIFY_INTERVAL_LIMIT = timedelta(seconds=10)


class RepairOutcome(Enum):
    """The outcome of an order. Stale: the object has changed, decide again. Blocked: a guard says no for now."""

    APPLIED = auto()
    STALE = auto()
    BLOCKED = auto()


class RepairExecutor:
    """Applies, verifies and undoes the changes of one incident, one at a time."""

    def __init__(
        self, state: HealingState, calls: ActivityCaller, reporter: IncidentReporter, request: HealingRequest
    ) -> None:
        self._state = state
        self._calls = calls
        self._reporter = reporter
        self._request = request
        self._status = StatusBuilder(state)

    async def apply(self, step: Step, report: DiagnoseReport) -> RepairOutcome:
        """Make one change, once. Unless the outcome is APPLIED nothing was written."""
        self._state.orders += 1
        order = healing.RepairOrder(
            incident=self._request.incident,
            action_id=healing.action_id(self._request.incident.uid, self._state.run_id, self._state.orders),
            action=step.action,
            cause=report.diagnosis.cause,
            severity=self._request.spec.severity,
            answer=self._state.answer,
            continues=self._state.continues,
            lowest=report.autonomy.lowest if report.autonomy is not None else AutonomyLevel.OBSERVE,
        )
        self._status.attempt_started(step, order.action_id, report.diff, workflow.now())
        await self._reporter.report()
        try:
            done = await self._calls.shielded(self._calls.retry_until_known(HealingActivities.repair, order))
        except ActivityError as error:
            return await self._handle_failure(error)
        self._state.applied = done
        self._status.repaired(done, workflow.now())
        if isinstance(step.action, SetMemory | RestoreTemplate) and step.action.undo_to is not None:
            self._status.earlier_replaced()
        self._calls.stop_if_cancelled()
        await self._reporter.report()
        return RepairOutcome.APPLIED

    async def _handle_failure(self, error: ActivityError) -> RepairOutcome:
        """Record why nothing was written; raise the error unless it is Held or ChangedSince."""
        kind, message = error_type(error), error_message(error)
        if not is_permanent(error):
            self._status.outcome_unknown(message, workflow.now())
            raise error
        if kind == Held.__name__:
            self._status.blocked(message)
        else:
            self._status.not_applied(message, workflow.now())
        self._calls.stop_if_cancelled()
        if kind not in (Held.__name__, ChangedSince.__name__):
            raise error
        await self._reporter.report()
        return RepairOutcome.BLOCKED if kind == Held.__name__ else RepairOutcome.STALE

    async def verify(self, step: Step, report: DiagnoseReport) -> Judgement:
        """Watch the applied change until there is a verdict, and report each new reason."""
        done = self._state.applied
        assert done is not None
        request = healing.VerifyRequest(
            target=step.action.target,
            action=step.action,
            action_id=done.action_id,
            template_hash=done.template_hash,
            written_at=done.written_at,
            baseline=report.baseline,
            settle=step.settle,
            has_checks=report.has_checks,
            checked_at=workflow.now(),
            watch=healing.WATCH_SECONDS,
        )
        started = workflow.now()
        while (judgement := await self._check(request)).verdict is None:
            if self._status.progress(judgement):
                await self._reporter.report()
            following = {
                "calm_since": judgement.calm_since,
                "blind": judgement.blind,
                "checked_at": workflow.now(),
                "known": (*request.known, judgement.reason),
            }
            request = request.model_copy(update=following)
            await workflow.sleep(backoff(workflow.now() - started, VERIFY_INTERVAL, VERIFY_INTERVAL_LIMIT))
        return judgement

    async def _check(self, request: healing.VerifyRequest) -> Judgement:
        """Watch once. A repair that cannot be looked at is undecided: an outage or a lost permission is no evidence."""
        try:
            return await self._calls.retry_until_reachable(HealingActivities.verify, request)
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            message = f"The repair could not be verified and stays in force: {error_message(error)}"
            return inconclusive("CannotVerify", message)

    async def undo(self) -> bool:
        """Undo the applied change. False when someone has changed the object since: then it was escalated."""
        done = self._state.applied
        assert done is not None
        if done.undo is None:
            self._state.applied = None
            return True
        return await self.undo_change(done.undo, healing.undo_id(done.action_id))

    async def undo_change(self, undo: Action, action_id: str) -> bool:
        """Undo the last attempt. False when someone has changed the object since: then it was escalated."""
        order = healing.RepairOrder(incident=self._request.incident, action_id=action_id, action=undo)
        try:
            await self._calls.shielded(self._calls.retry_until_known(HealingActivities.undo, order))
        except ActivityError as error:
            self._state.applied = None
            message = error_message(error)
            self._status.not_undone(message)
            await self._reporter.escalate("NotUndone", f"The repair could not be undone: {message}", str(undo))
            return False
        self._state.applied = None
        self._status.undone(workflow.now())
        return True
