"""SelfHealing: the durable ladder of one incident.

confirm -> diagnose -> guards -> (approval) -> repair -> verify -> Healed | undo and try what is left | a person.
It interprets plans and decides nothing about causes: playbooks, guards and health answer inside activities, so
their answers are recorded and may change between releases without breaking an incident that is under way.
"""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from prunella_workflows.contract import (
    OPTIONS,
    ConfirmRequest,
    DiagnoseReport,
    DiagnoseRequest,
    EscalateRequest,
    HealingActivities,
    HealingRequest,
    Repaired,
    RepairOrder,
    ReportRequest,
    VerifyRequest,
    action_id,
)
from prunella_workflows.errors import ChangedSince, NotFound
from prunella_workflows.failures import error_message, error_type, is_permanent
from prunella_workflows.model.incident import Approval, IncidentStatus, Mode, Phase
from prunella_workflows.model.outcome import Effect, GuardResult, Judgement, Presence, Verdict
from prunella_workflows.model.plan import Action, Step
from prunella_workflows.model.workload import WorkloadRef
from prunella_workflows.story import Story

A = TypeVar("A")
R = TypeVar("R")
OrderMethod = Callable[[HealingActivities, RepairOrder], Repaired]

LOOK_EVERY = timedelta(seconds=2)
WAIT_EVERY = timedelta(seconds=15)
PACE_AT_MOST = timedelta(minutes=5)
FRESH_FOR = timedelta(minutes=1)
WAIT_AT_MOST = timedelta(hours=12)
CONFIRM_AT_MOST = timedelta(minutes=15)
UNCERTAIN_AT_MOST = timedelta(hours=1)
MAX_REPLANS = 5


@workflow.defn(name="SelfHealing")
class SelfHealing:
    """One incident from its confirmation to its end."""

    @workflow.init
    def __init__(self, request: HealingRequest) -> None:
        self._request = request
        self._story = Story(request, workflow.info().run_id, workflow.now())
        self._in_force: Repaired | None = None
        self._cancelled = False
        self._deleted = False
        self._answer: Approval | None = request.spec.approval
        self._agreed: str | None = None
        self._suspended = request.spec.suspend
        self._channels: tuple[str, ...] = ()

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
            await self._unbroken(self._end_early(error))
            if is_cancelled_exception(error):
                raise
        return self._story.status

    @workflow.signal
    def approve(self, answer: Approval) -> None:
        """A person's answer. The first one counts; the API server refuses a contradicting one."""
        self._answer = self._answer or answer

    @workflow.signal
    def suspend(self, suspended: bool) -> None:
        """Stop before the next step, or go on."""
        self._suspended = suspended

    @workflow.query(name="getState")
    def get_state(self) -> IncidentStatus:
        """The story so far."""
        return self._story.status

    async def _ladder(self) -> None:
        await self._report()
        target = await self._confirm()
        if target is not None:
            await self._repair_until_decided(target)

    async def _confirm(self) -> WorkloadRef | None:
        """Wait until the fault has persisted or is gone."""
        request, story = self._request, self._story
        ask = ConfirmRequest(incident=request.incident, spec=request.spec, opened_at=request.opened_at)
        started = workflow.now()
        while True:
            answer = await self._call(HealingActivities.confirm, ask)
            sighting = answer.sighting
            story.found(answer.target, sighting.message)
            if sighting.presence is Presence.FAILING or workflow.now() - started > CONFIRM_AT_MOST:
                return answer.target
            if sighting.presence is Presence.RECOVERED:
                await self._close(Phase.RECOVERED, sighting.reason, sighting.message)
                return None
            await workflow.sleep(_pace(workflow.now() - started, timedelta(seconds=sighting.again)))

    async def _repair_until_decided(self, found: WorkloadRef) -> None:
        """Climb the ladder: one step at a time, each from the owner's own spec."""
        target: WorkloadRef | None = found
        replans = 0
        while target is not None:
            report = await self._diagnose(target)
            if await self._no_step(report):
                return
            asked = workflow.now()
            if not await self._approved(report):
                return
            await self._resumed()
            if workflow.now() - asked > FRESH_FOR:  # days may have passed: the fault may be gone, the plan out of date
                target = await self._confirm()
                continue
            step = report.plan.steps[0]
            number = len(self._story.attempts) + 1
            if not await self._make(step, number, report):
                replans += 1
                if replans < MAX_REPLANS:
                    continue
                await self._hand_over("CannotRepair", self._story.attempts[-1].message, report.plan.next_step)
                return
            if await self._judge(step, report):
                return
            target = await self._confirm()  # the undo makes new pods: their failure must be seen before it is diagnosed

    async def _diagnose(self, target: WorkloadRef) -> DiagnoseReport:
        """Diagnose, and wait while a guard says "not now"."""
        request, story = self._request, self._story
        started, told = workflow.now(), ""
        while True:
            story.phase(Phase.DIAGNOSING, "Diagnosing", "Gathering evidence.")
            report = await self._call(
                HealingActivities.diagnose,
                DiagnoseRequest(
                    incident=request.incident,
                    spec=request.spec,
                    opened_at=request.opened_at,
                    target=target,
                    tried=tuple(one for one in story.attempts if one.written_at is not None),
                ),
            )
            story.diagnosed(report, workflow.now())
            self._channels = report.channels
            held = _holding(report)
            if held is None or held.effect is not Effect.WAIT:
                return report
            if workflow.now() - started > WAIT_AT_MOST:
                return report
            story.phase(Phase.DIAGNOSING, held.reason, held.message)
            if told != held.message:
                told = held.message
                await self._report()
            await workflow.sleep(_pace(workflow.now() - started, WAIT_EVERY))

    async def _no_step(self, report: DiagnoseReport) -> bool:
        """Close the incident when nothing may or can be done. True when it is closed."""
        held, plan = _holding(report), report.plan
        if held is not None and held.effect is Effect.SUPPRESS:
            await self._close(Phase.SUPPRESSED, held.reason, held.message, held.next_step)
        elif self._request.spec.mode is Mode.DRY_RUN or (held is not None and held.effect is Effect.SHOW_ONLY):
            await self._show_only(report, held)
        elif not plan.steps:
            await self._hand_over(plan.reason, plan.message, plan.next_step)
        elif held is not None:
            await self._hand_over(held.reason, held.message, held.next_step or self._story.status.plan)
        elif len([one for one in self._story.attempts if one.written_at]) >= report.attempts_max:
            await self._hand_over("AttemptsSpent", "Every attempt the policy allows was made.", plan.next_step)
        else:
            return False
        return True

    async def _show_only(self, report: DiagnoseReport, held: GuardResult | None) -> None:
        reason = held.reason if held is not None else "DryRun"
        what = self._story.status.plan or report.plan.message
        next_step = held.next_step if held is not None else report.plan.next_step
        await self._close(Phase.DRY_RUN_DONE, reason, f"Would do: {what}. Nothing was written.", next_step)

    async def _approved(self, report: DiagnoseReport) -> bool:
        """Ask a person when the policy wants it, and wait for days if need be."""
        if not report.approval_needed:
            return True
        story = self._story
        if self._answer is None:
            message = f"Waiting for a person to approve: {story.status.plan}."
            story.phase(Phase.AWAITING_APPROVAL, "ApprovalNeeded", message)
            story.approval("Unknown", "ApprovalNeeded", message, workflow.now())
            await self._report()
            try:
                await workflow.wait_condition(
                    lambda: self._answer is not None, timeout=timedelta(seconds=report.approval_timeout)
                )
            except TimeoutError:
                await self._hand_over("ApprovalTimedOut", "Nobody answered in time.", story.status.plan)
                return False
        return await self._answered(report.plan.steps[0].action)

    async def _answered(self, action: Action) -> bool:
        """What the answer permits: this kind of repair, and no other that may follow when it does not help."""
        answer = self._answer
        assert answer is not None
        if self._agreed not in (None, action.kind):
            message = f"A person agreed to {self._agreed}; it did not help, and what is left was not asked for."
            await self._hand_over("NotAskedFor", message, self._story.status.plan)
            return False
        who = f"{answer.by or 'somebody'}" + (f": {answer.reason}" if answer.reason else "")
        if answer.decision == "Approved":
            self._agreed = action.kind
            self._story.approval("True", "Approved", f"Approved by {who}", workflow.now())
            return True
        self._story.approval("False", "Rejected", f"Rejected by {who}", workflow.now())
        await self._hand_over("Rejected", f"The repair was rejected by {who}", "Repair it in another way.")
        return False

    async def _resumed(self) -> None:
        """Stand still while the incident is suspended."""
        if self._suspended:
            self._story.phase(Phase.DIAGNOSING, "Suspended", "Suspended by spec.suspend; nothing is changed.")
            await self._report()
            await workflow.wait_condition(lambda: not self._suspended)

    async def _make(self, step: Step, number: int, report: DiagnoseReport) -> bool:
        """Make one change, once. False when the object changed meanwhile: nothing was written, decide again."""
        order = RepairOrder(
            incident=self._request.incident,
            action_id=action_id(self._request.incident.uid, number),
            action=step.action,
        )
        self._story.trying(step, order.action_id, number, report.diff, workflow.now())
        await self._report()
        try:
            done = await self._unbroken(self._ask_until_certain(HealingActivities.repair, order))
        except ActivityError as error:
            if not is_permanent(error):
                self._story.uncertain(error_message(error), workflow.now())
                raise
            self._story.not_made(error_message(error), workflow.now())
            self._stop_if_cancelled()
            if error_type(error) != ChangedSince.__name__:
                raise
            await self._report()
            return False
        self._in_force = done
        self._story.repaired(done, workflow.now())
        self._stop_if_cancelled()
        await self._report()
        return True

    async def _ask_until_certain(self, method: OrderMethod, order: RepairOrder) -> Repaired:
        """Repeat an order whose outcome is unknown: the action id makes the repetition harmless."""
        started = workflow.now()
        while True:
            try:
                return await self._call(method, order)
            except ActivityError as error:
                if is_permanent(error) or workflow.now() - started > UNCERTAIN_AT_MOST:
                    raise
                await workflow.sleep(WAIT_EVERY)

    async def _judge(self, step: Step, report: DiagnoseReport) -> bool:
        """Watch until the verdict is in. True when the incident is closed."""
        done = self._in_force
        assert done is not None
        judgement = await self._verdict(step, done, report)
        self._story.judged(judgement, workflow.now())
        if judgement.verdict is Verdict.HEALED:
            self._in_force = None
            await self._close(Phase.HEALED, judgement.reason, self._healed_message(judgement))
            return True
        if judgement.verdict is Verdict.INCONCLUSIVE:
            self._in_force = None
            await self._hand_over(judgement.reason, judgement.message, "See whether the repair helped.")
            return True
        if not await self._undo():
            return True
        self._stop_if_cancelled()
        await self._report()
        return False

    async def _verdict(self, step: Step, done: Repaired, report: DiagnoseReport) -> Judgement:
        ask = VerifyRequest(
            target=step.action.target,
            action_id=done.action_id,
            template_hash=done.template_hash,
            written_at=done.written_at,
            available_before=report.available,
            settle=step.settle,
            has_checks=report.has_checks,
        )
        started = workflow.now()
        while True:
            judgement = await self._call(HealingActivities.verify, ask)
            if judgement.verdict is not None:
                return judgement
            if self._story.progress(judgement):
                await self._report()
            await workflow.sleep(_pace(workflow.now() - started, LOOK_EVERY))

    async def _undo(self) -> bool:
        """Take the change in force back. False when it became somebody else's: then a person is told."""
        done = self._in_force
        assert done is not None
        if done.undo is None:
            self._in_force = None
            return True
        number = len(self._story.attempts)
        order = RepairOrder(
            incident=self._request.incident,
            action_id=action_id(self._request.incident.uid, number, undo=True),
            action=done.undo,
        )
        try:
            await self._unbroken(self._ask_until_certain(HealingActivities.undo, order))
        except ActivityError as error:
            self._in_force = None
            self._story.not_undone(error_message(error))
            await self._hand_over(
                "NotUndone", f"The repair could not be undone: {error_message(error)}", str(done.undo)
            )
            return False
        self._in_force = None
        self._story.undone(workflow.now())
        return True

    async def _end_early(self, error: BaseException) -> None:
        """Cancelled, or an activity failed for good: leave nothing half done and say so."""
        story = self._story
        if self._in_force is not None and not await self._undo():
            return
        story.left_off(workflow.now())
        if story.outcome_unknown:
            await self._hand_over("OutcomeUnknown", story.attempts[-1].message, "See whether the change is in force.")
        elif self._deleted:
            await self._close(
                Phase.CANCELLED, "IncidentDeleted", "The incident was deleted; nothing is left half done."
            )
        elif is_cancelled_exception(error):
            await self._close(Phase.CANCELLED, "Cancelled", "Cancelled by a person; nothing is left half done.")
        elif story.attempts:
            await self._hand_over(error_type(error), error_message(error), "Look at the workflow's history.")
        else:
            await self._close(Phase.FAILED, error_type(error), error_message(error))

    async def _unbroken(self, work: Coroutine[Any, Any, R]) -> R:
        """Carry through what must not be torn apart; a cancellation meanwhile is kept for `_stop_if_cancelled`."""
        task = asyncio.create_task(work)
        while not task.done():
            try:
                await asyncio.shield(task)
            except asyncio.CancelledError:
                self._cancelled = True
        return task.result()

    def _stop_if_cancelled(self) -> None:
        if self._cancelled:
            raise asyncio.CancelledError

    async def _hand_over(self, reason: str, message: str, next_step: str) -> None:
        self._story.escalated(reason, message, next_step, workflow.now())
        await self._unbroken(self._tell_people())

    async def _tell_people(self) -> None:
        """The closing report, and the escalation even when that report cannot be written."""
        try:
            await self._tell_end()
        finally:
            await self._escalate()

    async def _escalate(self) -> None:
        request = EscalateRequest(incident=self._request.incident, status=self._story.status, channels=self._channels)
        try:
            await self._call(HealingActivities.escalate, request)
        except ActivityError:
            workflow.logger.exception("the escalation did not reach anybody; the incident's status has it")

    async def _close(self, phase: Phase, reason: str, message: str, next_step: str = "") -> None:
        self._story.closed(phase, reason, message, workflow.now(), next_step)
        await self._unbroken(self._tell_end())

    async def _tell_end(self) -> None:
        """The closing report. An incident that was deleted meanwhile needs none."""
        try:
            await self._call(HealingActivities.close, self._news())
        except ActivityError as error:
            if error_type(error) != NotFound.__name__:
                raise
            workflow.logger.warning("the incident is gone, so its end was not written")

    async def _report(self) -> None:
        """Tell how it stands. A healing goes on when its progress cannot be written: the closing report must be."""
        news = self._news()
        try:
            await self._call(HealingActivities.report, news)
        except ActivityError as error:
            self._story.tell_again(news.events)
            if is_cancelled_exception(error):
                raise
            if error_type(error) == NotFound.__name__:
                self._deleted = True
                raise
            workflow.logger.warning("progress could not be reported: %s", error_message(error))

    def _news(self) -> ReportRequest:
        return ReportRequest(
            incident=self._request.incident, status=self._story.status, events=self._story.take_events()
        )

    def _healed_message(self, judgement: Judgement) -> str:
        attempt = self._story.attempts[-1]
        values = ", ".join(f"{key} {value}" for key, value in attempt.parameters.items())
        return f"{attempt.action} ({values}) healed {attempt.target}: {judgement.message}."

    async def _call(self, method: Callable[[HealingActivities, A], R], argument: A) -> R:
        options = OPTIONS[method.__name__]
        total = options.schedule_to_close
        return await workflow.execute_activity_method(
            method,
            argument,
            start_to_close_timeout=timedelta(seconds=options.start_to_close),
            schedule_to_close_timeout=timedelta(seconds=total) if total else None,
            retry_policy=options.retry,
        )


def _pace(spent: timedelta, least: timedelta) -> timedelta:
    """The pause before the next look: the longer it has taken, the longer, so that histories stay small."""
    return min(max(least, spent / 30), PACE_AT_MOST)


def _holding(report: DiagnoseReport) -> GuardResult | None:
    return next((one for one in report.guards if one.held), None)
