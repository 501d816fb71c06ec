"""SelfHealing: the durable ladder of one incident.

confirm -> diagnose -> guards -> (approval) -> repair -> verify -> Healed | undo and try what is left | a person.
It interprets plans and decides nothing about causes: playbooks, guards and health answer inside activities, so
their answers are recorded and may change between releases without breaking an incident that is under way.
"""

from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from prunella_workflows.contracts.healing import (
    ConfirmRequest,
    DiagnoseReport,
    DiagnoseRequest,
    HealingActivities,
    HealingRequest,
)
from prunella_workflows.healing.approval import FRESH_FOR, ApprovalGate
from prunella_workflows.healing.repair_attempt import Outcome, RepairExecutor
from prunella_workflows.healing.reporter import IncidentReporter
from prunella_workflows.healing.status_builder import StatusBuilder
from prunella_workflows.model.errors import NotFound
from prunella_workflows.model.incident import Acknowledgement, Approval, Mode
from prunella_workflows.model.incident_status import IncidentStatus, Phase
from prunella_workflows.model.kubectl import lasting
from prunella_workflows.model.outcome import Effect, GuardResult, Judgement, Presence, Verdict
from prunella_workflows.model.plan import Step
from prunella_workflows.model.workload import WorkloadRef
from prunella_workflows.temporal.activity_calls import ActivityCaller, pace
from prunella_workflows.temporal.failures import error_message, error_type

WAIT_EVERY = timedelta(seconds=15)
WAIT_AT_MOST = timedelta(hours=12)
CONFIRM_AT_MOST = timedelta(minutes=15)
MAX_REPLANS = 5


@workflow.defn(name="SelfHealing")
class SelfHealing:
    """One incident from its confirmation to its end."""

    @workflow.init
    def __init__(self, request: HealingRequest) -> None:
        self._request = request
        self._story = StatusBuilder(request, workflow.info().run_id, workflow.now())
        self._calls = ActivityCaller()
        self._telling = IncidentReporter(self._calls, self._story, request)
        self._changes = RepairExecutor(self._calls, self._story, self._telling, request)
        self._waiting_since: datetime | None = None
        self._people = ApprovalGate(self._story, self._telling, request.spec)

    @workflow.run
    async def run(self, request: HealingRequest) -> IncidentStatus:
        """Heal, or hand over; every way out is written to the Incident."""
        del request  # kept by __init__, so that messages may arrive before the first step
        try:
            await self._ladder()
        except BaseException as error:
            if not is_cancelled_exception(error) and not isinstance(error, ActivityError):
                raise
            if self._story.status.phase.closed:  # the end is known and told to people, but could not be written
                raise
            await self._calls.unbroken(self._end_early(error))
            if is_cancelled_exception(error):
                raise
        return self._story.status

    @workflow.signal
    def approve(self, answer: Approval) -> None:
        """A person's answer. The first one counts that comes from somebody who may give it; others are told."""
        self._people.hear(answer)

    @workflow.signal
    def suspend(self, suspended: bool) -> None:
        """Stop before the next step, or go on."""
        self._people.suspended = suspended

    @workflow.signal
    def acknowledge(self, answer: Acknowledgement) -> None:
        """A person will take over when the incident is handed over. The first one counts."""
        self._telling.acknowledged = self._telling.acknowledged or answer

    @workflow.query(name="getState")
    def get_state(self) -> IncidentStatus:
        """The story so far."""
        return self._story.status

    async def _ladder(self) -> None:
        await self._telling.report()
        target = await self._confirm()
        if target is not None:
            await self._repair_until_decided(target)

    async def _confirm(self, since: datetime | None = None) -> WorkloadRef | None:
        """Wait until the fault has persisted or is gone. What crashed before `since` says nothing any more."""
        request, story = self._request, self._story
        ask = ConfirmRequest(incident=request.incident, spec=request.spec, opened_at=request.opened_at, since=since)
        started = workflow.now()
        while True:
            answer = await self._calls.until_answered(HealingActivities.confirm, ask)
            sighting = answer.sighting
            ask = ask.model_copy(update={"calm_since": sighting.calm_since})
            story.found(answer.target, sighting.message)
            if sighting.presence is Presence.FAILING or workflow.now() - started > CONFIRM_AT_MOST:
                return answer.target
            if sighting.presence is Presence.RECOVERED:
                await self._telling.close(Phase.RECOVERED, *story.recovery(sighting))
                return None
            await workflow.sleep(pace(workflow.now() - started, timedelta(seconds=sighting.again)))

    async def _repair_until_decided(self, found: WorkloadRef) -> None:
        """Climb the ladder: one step at a time, each from the owner's own spec."""
        target: WorkloadRef | None = found
        replans = 0
        while target is not None:
            report = await self._diagnose(target)
            if report is None or await self._no_step(report):
                return
            asked = workflow.now()
            if not await self._people.approve(report):
                return
            await self._people.let_go_on()
            if workflow.now() - asked > FRESH_FOR:  # days may have passed: the fault may be gone, the plan out of date
                self._waiting_since = None
                target = await self._confirm()
                continue
            step = report.plan.steps[0]
            made = await self._changes.make(step, report, self._people.answer)
            if made is not Outcome.APPLIED:
                replans += made is Outcome.STALE
                if replans == MAX_REPLANS or (made is Outcome.BLOCKED and self._waited() > WAIT_AT_MOST):
                    await self._telling.hand_over("CannotRepair", self._story.obstacle, report.plan.next_step)
                    return
                if made is Outcome.BLOCKED and not await self._wait():
                    return
                if made is Outcome.STALE:
                    target = await self._confirm()  # whoever changed it may have mended it
                continue
            self._waiting_since = None
            if await self._judge(step, report):
                return
            target = await self._confirm()  # the undo makes new pods: their failure must be seen before it is diagnosed

    async def _diagnose(self, target: WorkloadRef) -> DiagnoseReport | None:
        """Diagnose, and wait while a guard says "not now". None when the fault went away meanwhile."""
        request, story = self._request, self._story
        told = ""
        while True:
            story.phase(Phase.DIAGNOSING, "Diagnosing", "Gathering evidence.")
            report = await self._calls.until_answered(
                HealingActivities.diagnose,
                DiagnoseRequest(
                    incident=request.incident,
                    spec=request.spec,
                    opened_at=request.opened_at,
                    target=target,
                    tried=tuple(attempt for attempt in story.attempts if attempt.written_at is not None),
                    known=tuple(guard for guard in story.status.guards if guard.held),
                    answer=self._people.latest,
                    waiting_for=story.waiting_for,
                    waiting_since=story.waiting_since,
                ),
            )
            story.diagnosed(report, workflow.now())
            self._telling.rule = report.escalation
            held = _holding(report)
            if held is None or held.effect is not Effect.WAIT or self._waited() > WAIT_AT_MOST:
                return report
            story.phase(Phase.DIAGNOSING, held.reason, held.message)
            if told != held.message:
                told = held.message
                await self._telling.report()
            if not await self._wait():
                return None

    async def _wait(self) -> bool:
        """Pause while a guard says "not now". False when the fault went away meanwhile, and with it the incident."""
        await workflow.sleep(pace(self._waited(), WAIT_EVERY, share=4))
        return await self._confirm(workflow.now()) is not None

    def _waited(self) -> timedelta:
        """For how long guards have been saying "not now"."""
        self._waiting_since = self._waiting_since or workflow.now()
        return workflow.now() - self._waiting_since

    async def _no_step(self, report: DiagnoseReport) -> bool:
        """Close the incident when nothing may or can be done. True when it is closed."""
        held, plan = _holding(report), report.plan
        if held is not None and held.effect is Effect.SUPPRESS:
            await self._telling.close(Phase.SUPPRESSED, held.reason, held.message, held.next_step)
        elif self._request.spec.mode is Mode.DRY_RUN or (held is not None and held.effect is Effect.SHOW_ONLY):
            await self._show_only(report, held)
        elif not plan.steps:
            await self._telling.hand_over(plan.reason, plan.message, plan.next_step)
        elif held is not None:
            await self._telling.hand_over(held.reason, held.message, held.next_step or self._story.status.plan)
        elif len([attempt for attempt in self._story.attempts if attempt.written_at]) >= report.attempts_max:
            await self._telling.hand_over(
                "AttemptsExhausted", "Every attempt the policy allows was made.", plan.next_step
            )
        else:
            return False
        return True

    async def _show_only(self, report: DiagnoseReport, held: GuardResult | None) -> None:
        reason = held.reason if held is not None else "DryRun"
        plan = self._story.status.plan
        what = f"Would do: {plan}." if plan else report.plan.message
        next_step = held.next_step if held is not None else report.plan.next_step
        await self._telling.close(Phase.DRY_RUN_DONE, reason, f"{what} Nothing was written.", next_step)

    async def _judge(self, step: Step, report: DiagnoseReport) -> bool:
        """Watch until the verdict is in. True when the incident is closed."""
        judgement = await self._changes.verdict(step, report)
        self._story.judged(judgement, workflow.now())
        if judgement.verdict is Verdict.HEALED:
            self._changes.in_force = None
            message, then = self._healed_message(judgement), lasting(step.action)
            await self._telling.close(Phase.HEALED, judgement.reason, message, then)
            return True
        if judgement.verdict is Verdict.INCONCLUSIVE:
            self._changes.in_force = None
            await self._telling.hand_over(judgement.reason, judgement.message, "See whether the repair helped.")
            return True
        if not await self._changes.undo():
            return True
        self._story.phase(Phase.CONFIRMING, judgement.reason, "The repair did not help; looking again.")
        self._calls.stop_if_cancelled()
        await self._telling.report()
        return False

    async def _end_early(self, error: BaseException) -> None:
        """Cancelled, or an activity failed for good: leave nothing half done and say so."""
        story = self._story
        if self._changes.in_force is not None and not await self._changes.undo():
            return
        story.left_off(workflow.now())
        if story.outcome_unknown:
            await self._telling.hand_over(
                "OutcomeUnknown", story.attempts[-1].message, "See whether the change is in force."
            )
        elif self._telling.incident_deleted:
            await self._telling.close(
                Phase.CANCELLED, "IncidentDeleted", "The incident was deleted; nothing is left half done."
            )
        elif is_cancelled_exception(error):
            await self._telling.close(Phase.CANCELLED, "Cancelled", "Cancelled on request; nothing is left half done.")
        elif story.attempts:
            await self._telling.hand_over(error_type(error), error_message(error), "Look at the workflow's history.")
        elif error_type(error) == NotFound.__name__ and story.status.target:  # it was there when we looked first
            await self._telling.close(Phase.SUPPRESSED, "TargetDeleted", "It was deleted before anything was written.")
        else:
            await self._telling.close(Phase.FAILED, error_type(error), error_message(error))

    def _healed_message(self, judgement: Judgement) -> str:
        attempt = self._story.attempts[-1]
        values = ", ".join(f"{key} {value}" for key, value in attempt.parameters.items())
        return f"{attempt.action} ({values}) healed {attempt.target}: {judgement.message}."


def _holding(report: DiagnoseReport) -> GuardResult | None:
    """The guard that decides. Whether a person must agree is asked later, when everything else allows the repair."""
    return next((guard for guard in report.guards if guard.held and guard.effect is not Effect.ASK), None)
