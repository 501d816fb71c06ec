"""Telling: how a healing reports its progress, its end, and that a person is needed."""

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from prunella_workflows.calls import Calls
from prunella_workflows.contract import EscalateRequest, HealingActivities, ReportRequest
from prunella_workflows.errors import NotFound
from prunella_workflows.failures import error_message, error_type
from prunella_workflows.model.incident import IncidentRef, Phase
from prunella_workflows.story import Story


class Telling:
    """Writes the story to the Incident, through the activities."""

    def __init__(self, calls: Calls, story: Story, incident: IncidentRef) -> None:
        self._calls = calls
        self._story = story
        self._incident = incident
        self.channels: tuple[str, ...] = ()
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
        request = EscalateRequest(incident=self._incident, status=self._story.status, channels=self.channels)
        try:
            await self._calls.call(HealingActivities.escalate, request)
        except ActivityError:
            workflow.logger.exception("the escalation did not reach anybody; the incident's status has it")

    def _news(self) -> ReportRequest:
        return ReportRequest(incident=self._incident, status=self._story.status, events=self._story.take_events())
