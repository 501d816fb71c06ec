"""SelfHealing: the durable ladder of one incident.

confirm -> diagnose -> guards -> (approval) -> repair -> verify -> Healed | undo and try the next step | escalate.
It executes plans and decides nothing about causes: playbooks, guards and verification run inside activities, so their
results are recorded, and they may change between releases without breaking an incident that is under way.
"""

from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from prunella_workflows.contracts import healing
from prunella_workflows.contracts.healing import DiagnoseReport, HealingActivities, HealingRequest
from prunella_workflows.healing.approval import DIAGNOSIS_FRESHNESS_LIMIT, ApprovalGate
from prunella_workflows.healing.repair_attempt import RepairExecutor, RepairOutcome
from prunella_workflows.healing.reporter import IncidentReporter
from prunella_workflows.healing.state import initial_state
from prunella_workflows.healing.status_builder import StatusBuilder, format_parameters
from prunella_workflows.model.errors import NotFound, TargetDeleted
from prunella_workflows.model.incident import Acknowledgement, Approval, Mode
from prunella_workflows.model.incident_status import IncidentStatus, Phase
from prunella_workflows.model.kubectl import list_targets, persistent_change_hint
from prunella_workflows.model.outcome import Effect, GuardResult, Presence, Verdict
from prunella_workflows.model.plan import Step
from prunella_workflows.model.workload import WorkloadRef
from prunella_workflows.temporal.activity_calls import ActivityCaller, backoff
from prunella_workflows.temporal.failures import error_message, error_type

GUARD_RETRY_INTERVAL = timedelta(seconds=15)
GUARD_WAIT_LIMIT = timedelta(hours=12)
CONFIRM_LIMIT = timedelta(minutes=15)
MAX_REPLANS = 5


@workflow.defn(name="SelfHealing")
class SelfHealing:
    """One incident from its confirmation to its end."""

    @workflow.init
    def __init__(self, request: HealingRequest) -> None:
        self._request = request
        self._state = initial_state(request, workflow.info().run_id, workflow.now())
        self._calls = ActivityCaller()
        self._status = StatusBuilder(self._state)
        self._reporter = IncidentReporter(self._state, self._calls, request)
        self._repairs = RepairExecutor(self._state, self._calls, self._reporter, request)
        self._approval = ApprovalGate(self._state, self._reporter)

    @workflow.run
    async def run(self, request: HealingRequest) -> IncidentStatus:
        """Heal or escalate; every outcome is written to the Incident."""
        del request  # kept by __init__, so that messages may arrive before the first step
        try:
            await self._ladder()
        except BaseException as error:
            if not is_cancelled_exception(error) and not isinstance(error, ActivityError):
                raise
            if self._state.status.phase.closed:  # the end was escalated, but could not be written
                raise
            await self._calls.shielded(self._end_early(error))
            if is_cancelled_exception(error):
                raise
        return self._state.status

    @workflow.signal
    def approve(self, answer: Approval) -> None:
        """Take an answer to the request for approval. The first one by an approver counts."""
        self._approval.receive(answer)

    @workflow.signal
    def suspend(self, suspended: bool) -> None:
        """Stop before the next step, or resume."""
        self._state.suspended = suspended

    @workflow.signal
    def acknowledge(self, answer: Acknowledgement) -> None:
        """Note who takes over if the incident is escalated. The first one counts."""
        self._state.acknowledged = self._state.acknowledged or answer

    @workflow.query(name="getState")
    def get_state(self) -> IncidentStatus:
        """The status as it is now."""
        return self._state.status

    async def _ladder(self) -> None:
        await self._reporter.report()
        target = await self._confirm()
        if target is not None:
            await self._repair_until_decided(target)

    async def _confirm(self, since: datetime | None = None) -> WorkloadRef | None:
        """Wait until the fault has persisted or is gone. Crashes before `since` no longer count."""
        request = self._request
        check = healing.ConfirmRequest(
            incident=request.incident, spec=request.spec, opened_at=request.opened_at, since=since
        )
        started = workflow.now()
        while True:
            left = max(CONFIRM_LIMIT - (workflow.now() - started), timedelta()).total_seconds()
            longest = healing.WATCH_SECONDS if check.until is not None else min(left, healing.WATCH_SECONDS)
            check = check.model_copy(update={"watch": longest})
            answer = await self._calls.retry_until_reachable(HealingActivities.confirm, check)
            sighting = answer.sighting
            self._state.update(target=str(answer.target), message=sighting.message)
            if sighting.presence is Presence.RECOVERED:
                await self._reporter.close(Phase.RECOVERED, *self._status.recovery(sighting))
                return None
            tired = sighting.until is None and workflow.now() - started > CONFIRM_LIMIT
            if sighting.presence is Presence.FAILING or tired:
                return answer.target
            if sighting.until != check.until:
                await self._reporter.report()
            check = check.model_copy(update={"calm_since": sighting.calm_since, "until": sighting.until})
            await workflow.sleep(backoff(workflow.now() - started, timedelta(seconds=sighting.again)))

    async def _repair_until_decided(self, found: WorkloadRef) -> None:
        """Climb the ladder: one step at a time, each from the owner's own spec."""
        target: WorkloadRef | None = found
        replans = 0
        while target is not None:
            report = await self._diagnose(target)
            diagnosed_at = workflow.now()
            if report is None or await self._no_step(report) or not await self._approval.approve(report):
                return
            await self._approval.wait_while_suspended()
            if workflow.now() - diagnosed_at > DIAGNOSIS_FRESHNESS_LIMIT:  # the fault may be gone, the plan out of date
                self._state.blocked_since = None
                target = await self._confirm()
                continue
            step = report.plan.steps[0]
            if report.plan.undoes:
                await self._undo_and_escalate(step, report)
                return
            outcome = await self._repairs.apply(step, report)
            if outcome is not RepairOutcome.APPLIED:
                replans += outcome is RepairOutcome.STALE
                if replans == MAX_REPLANS or (outcome is RepairOutcome.BLOCKED and self._waited() > GUARD_WAIT_LIMIT):
                    await self._reporter.escalate("CannotRepair", self._state.obstacle, report.plan.next_step)
                    return
                if outcome is RepairOutcome.BLOCKED and not await self._wait():
                    return
                if outcome is RepairOutcome.STALE:
                    target = await self._confirm()  # the change that made it stale may have fixed it
                continue
            self._state.blocked_since = None
            if await self._judge(step, report):
                return
            target = await self._confirm()  # the undo replaced the pods: the new ones must fail first

    async def _diagnose(self, target: WorkloadRef) -> DiagnoseReport | None:
        """Diagnose, and wait while a guard blocks for now. None when the fault went away during the wait."""
        request, state = self._request, self._state
        reported = ""
        while True:
            self._status.set_phase(Phase.DIAGNOSING, "Diagnosing", "Gathering evidence.")
            report = await self._calls.retry_until_reachable(
                HealingActivities.diagnose,
                healing.DiagnoseRequest(
                    incident=request.incident,
                    spec=request.spec,
                    opened_at=request.opened_at,
                    target=target,
                    tried=state.written_attempts,
                    known=tuple(guard for guard in state.status.guards if guard.held),
                    answer=self._approval.latest,
                    waiting_for=state.waiting_for,
                    waiting_since=state.waiting_since,
                ),
            )
            state.adopt(report.earlier)
            self._status.diagnosed(report, workflow.now())
            state.rule = report.escalation
            block = _blocking_guard(report)
            if block is None or block.effect is not Effect.WAIT or self._waited() > GUARD_WAIT_LIMIT:
                return report
            self._status.set_phase(Phase.DIAGNOSING, block.reason, block.message)
            if reported != block.message:
                reported = block.message
                await self._reporter.report()
            if not await self._wait():
                return None

    async def _wait(self) -> bool:
        """Pause before a guard is checked again. False when the fault went away, and the incident is closed."""
        await workflow.sleep(backoff(self._waited(), GUARD_RETRY_INTERVAL, share=4))
        return await self._confirm(workflow.now()) is not None

    def _waited(self) -> timedelta:
        """The time for which guards have been blocking."""
        self._state.blocked_since = self._state.blocked_since or workflow.now()
        return workflow.now() - self._state.blocked_since

    async def _no_step(self, report: DiagnoseReport) -> bool:
        """Close the incident when nothing may or can be done. True when it is closed."""
        block, plan = _blocking_guard(report), report.plan
        if block is not None and block.effect is Effect.SUPPRESS:
            await self._reporter.close(Phase.SUPPRESSED, block.reason, block.message, block.next_step)
        elif self._request.spec.mode is Mode.DRY_RUN or (block is not None and block.effect is Effect.SHOW_ONLY):
            await self._show_only(report, block)
        elif not plan.steps:
            await self._reporter.escalate(plan.reason, plan.message, plan.next_step)
        elif block is not None:
            await self._reporter.escalate(block.reason, block.message, block.next_step or self._state.status.plan)
        elif len(self._state.written_attempts) >= report.attempts_max and not plan.undoes:
            message = "All attempts allowed by the policy have been used."
            await self._reporter.escalate("AttemptsExhausted", message, plan.next_step)
        else:
            return False
        return True

    async def _undo_and_escalate(self, step: Step, report: DiagnoseReport) -> None:
        """Undo what an earlier incident left in force and what did not last; nothing else is left to try."""
        repair_id = self._state.attempts[-1].action_id
        if await self._repairs.undo_change(step.action, healing.undo_id(repair_id)):
            await self._reporter.escalate(report.plan.reason, report.plan.message, report.plan.next_step)

    async def _show_only(self, report: DiagnoseReport, block: GuardResult | None) -> None:
        reason = block.reason if block is not None else "DryRun"
        plan = self._state.status.plan
        message = f"Would do: {plan}." if plan else report.plan.message
        next_step = block.next_step if block is not None else report.plan.next_step
        await self._reporter.close(Phase.DRY_RUN_DONE, reason, f"{message} Nothing was written.", next_step)

    async def _judge(self, step: Step, report: DiagnoseReport) -> bool:
        """Verify until there is a verdict. True when the incident is closed."""
        judgement = await self._repairs.verify(step, report)
        self._status.judged(judgement, workflow.now())
        if judgement.verdict is Verdict.HEALED:
            self._state.applied = None
            attempt, hint = self._state.attempts[-1], persistent_change_hint(step.action)
            done = f"{attempt.action} ({format_parameters(attempt)}) healed {attempt.target}"
            await self._reporter.close(Phase.HEALED, judgement.reason, f"{done}: {judgement.message}.", hint)
            return True
        if judgement.verdict is Verdict.INCONCLUSIVE:
            self._state.applied = None
            await self._reporter.escalate(judgement.reason, judgement.message, "Check whether the repair helped.")
            return True
        if not await self._repairs.undo():
            return True
        self._status.set_phase(Phase.CONFIRMING, judgement.reason, "Repair did not help; diagnosing again.")
        self._calls.stop_if_cancelled()
        await self._reporter.report()
        return False

    async def _end_early(self, error: BaseException) -> None:
        """Undo and close after a cancellation, or after an activity failed for good."""
        state, escalate, close = self._state, self._reporter.escalate, self._reporter.close
        if state.applied is not None and not await self._repairs.undo():
            return
        self._status.abandoned(workflow.now())
        if self._status.is_outcome_unknown:
            await escalate("OutcomeUnknown", state.attempts[-1].message, "Check whether the change is applied.")
        elif state.incident_deleted:
            await close(Phase.CANCELLED, "IncidentDeleted", "The incident was deleted; nothing is left half done.")
        elif is_cancelled_exception(error):
            await close(Phase.CANCELLED, "Cancelled", "Cancelled on request; nothing is left half done.")
        elif state.attempts:
            await escalate(error_type(error), error_message(error), "Check the workflow's history in Temporal.")
        elif self._was_deleted(error):
            await close(Phase.SUPPRESSED, "TargetDeleted", "The workload was deleted before anything was changed.")
        else:
            await close(Phase.FAILED, error_type(error), error_message(error), self._correction(error))

    def _was_deleted(self, error: BaseException) -> bool:
        """Report whether the target existed when the incident began."""
        kind = error_type(error)
        return kind == TargetDeleted.__name__ or (kind == NotFound.__name__ and bool(self._state.status.target))

    def _correction(self, error: BaseException) -> str:
        """The next step after an incident that cannot be handled."""
        if error_type(error) != NotFound.__name__:
            return "Correct what the message names, then open a new incident."
        command = list_targets(self._request.incident.namespace, self._request.spec)
        return f"Compare the name with what exists: {command}. Then open a new incident."


def _blocking_guard(report: DiagnoseReport) -> GuardResult | None:
    """The guard that decides. A missing approval is requested later, when everything else allows the repair."""
    return next((guard for guard in report.guards if guard.held and guard.effect is not Effect.ASK), None)
