"""Telling: how a healing reports its progress, its end, and that people are asked or needed."""

from contextlib import suppress

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import ActivityError, WorkflowAlreadyStartedError, is_cancelled_exception

from prunella_workflows.contracts.healing import HealingActivities, HealingRequest, ReportRequest
from prunella_workflows.escalation.workflow import Escalation, EscalationRequest, escalation_id
from prunella_workflows.healing.status_builder import StatusBuilder
from prunella_workflows.model.errors import NotFound
from prunella_workflows.model.incident import Acknowledgement, Severity
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.model.policy import EscalationRule
from prunella_workflows.notifications import messages
from prunella_workflows.notifications.delivery import notify_all
from prunella_workflows.temporal.activity_calls import ActivityCaller
from prunella_workflows.temporal.failures import error_message, error_type


class IncidentReporter:
    """Writes the story to the Incident, through the activities."""

    def __init__(self, calls: ActivityCaller, story: StatusBuilder, request: HealingRequest) -> None:
        self._calls = calls
        self._story = story
        self._request = request
        self._incident = request.incident
        self.rule = EscalationRule()
        self.acknowledged: Acknowledgement | None = request.spec.acknowledged
        self.incident_deleted = False

    async def report(self) -> None:
        """Tell how it stands. A healing goes on when its progress cannot be written: the closing report must be.

        Raises:
            ActivityError: the incident was deleted.
        """
        news = self._news()
        try:
            await self._calls.call(HealingActivities.report, news)
        except ActivityError as error:
            self._story.tell_again(news.events)
            if is_cancelled_exception(error):
                raise
            if error_type(error) == NotFound.__name__:
                self.incident_deleted = True
                raise
            workflow.logger.warning("progress could not be reported: %s", error_message(error))

    async def ask_people(self) -> None:
        """Tell the policy's channels that an answer is needed, when they may be told. Cancelled when one is here."""
        now, spec = workflow.now(), self._request.spec
        if spec.severity is not Severity.CRITICAL:
            await workflow.sleep(self.rule.quiet_until(now) - now)
        message = messages.needs_an_answer(self._incident, spec, self._story.status)
        with suppress(ActivityError):  # only one that was cancelled
            self._story.asked(await notify_all(self.rule.channels or (), message, f"{self._incident.uid}-approval"))

    async def close(self, phase: Phase, reason: str, message: str, next_step: str = "") -> None:
        """The incident is over without a person."""
        self._story.closed(phase, reason, message, workflow.now(), next_step)
        await self._calls.unbroken(self._tell_end())

    async def hand_over(self, reason: str, message: str, next_step: str) -> None:
        """A person takes over."""
        self._story.escalated(reason, message, next_step, workflow.now())
        await self._calls.unbroken(self._tell_people())

    async def _tell_people(self) -> None:
        """The closing report, and the escalation even when that report cannot be written."""
        try:
            await self._tell_end()
        finally:
            await self._escalate()

    async def _tell_end(self) -> None:
        """The closing report. An incident that was deleted meanwhile needs none."""
        try:
            await self._calls.call(HealingActivities.close, self._news())
        except ActivityError as error:
            if error_type(error) != NotFound.__name__:
                raise
            workflow.logger.warning("the incident is gone, so its end was not written")

    async def _escalate(self) -> None:
        """Leave the rest to a workflow of its own: people may take hours to come."""
        request = EscalationRequest(
            incident=self._incident,
            spec=self._request.spec,
            opened_at=self._request.opened_at,
            status=self._story.status,
            rule=self.rule,
            acknowledged=self.acknowledged,
        )
        with suppress(WorkflowAlreadyStartedError):  # a run before this one has handed over already
            _ = await workflow.start_child_workflow(
                Escalation.run,
                request,
                id=escalation_id(self._incident.uid),
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                static_summary=f"{self._incident.namespace}/{self._incident.name}",
            )

    def _news(self) -> ReportRequest:
        return ReportRequest(incident=self._incident, status=self._story.status, events=self._story.take_events())
