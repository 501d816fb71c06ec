"""Reporting of one healing: its progress and end to the Incident, requests for approval and escalation to people."""

from contextlib import suppress

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import ActivityError, WorkflowAlreadyStartedError, is_cancelled_exception

from prunella_workflows.contracts.healing import HealingActivities, HealingRequest, ReportRequest
from prunella_workflows.escalation.workflow import Escalation, EscalationRequest, escalation_id
from prunella_workflows.healing.state import HealingState
from prunella_workflows.healing.status_builder import StatusBuilder
from prunella_workflows.model.errors import NotFound
from prunella_workflows.model.incident import Severity
from prunella_workflows.model.incident_status import Delivery, Phase
from prunella_workflows.notifications import messages
from prunella_workflows.notifications.delivery import notify_all
from prunella_workflows.temporal.activity_calls import ActivityCaller
from prunella_workflows.temporal.failures import error_message, error_type


class IncidentReporter:
    """Writes the state to the Incident and reaches people, through activities."""

    def __init__(self, state: HealingState, calls: ActivityCaller, request: HealingRequest) -> None:
        self._state = state
        self._calls = calls
        self._request = request
        self._incident = request.incident
        self._status = StatusBuilder(state)

    async def report(self) -> None:
        """Write the status. A failure does not stop the healing, as only the closing report is essential.

        Raises:
            ActivityError: the incident was deleted.
        """
        request = self._take_report()
        try:
            await self._calls.call(HealingActivities.report, request)
        except ActivityError as error:
            self._state.events.put_back(request.events)
            if is_cancelled_exception(error):
                raise
            if error_type(error) == NotFound.__name__:
                self._state.incident_deleted = True
                raise
            workflow.logger.warning("cannot report progress: %s", error_message(error))

    async def request_approval(self) -> tuple[Delivery, ...]:
        """Notify the policy's channels that an approval is needed, outside of quiet hours unless it is critical.

        Returns nothing when cancelled, because the answer came first.
        """
        now, spec = workflow.now(), self._request.spec
        if spec.severity is not Severity.CRITICAL:
            await workflow.sleep(self._state.rule.quiet_until(now) - now)
        message = messages.approval_requested(self._incident, spec, self._state.status)
        with suppress(ActivityError):  # only one that was cancelled
            return await notify_all(self._state.rule.channels or (), message, f"{self._incident.uid}-approval")
        return ()

    async def close(self, phase: Phase, reason: str, message: str, next_step: str = "") -> None:
        """Close the incident without a person."""
        self._status.closed(phase, reason, message, workflow.now(), next_step)
        await self._calls.shielded(self._report_end())

    async def escalate(self, reason: str, message: str, next_step: str) -> None:
        """Close the incident and escalate it to people."""
        self._status.escalated(reason, message, next_step, workflow.now())
        await self._calls.shielded(self._report_escalation())

    async def _report_escalation(self) -> None:
        """Write the end, and escalate even when it cannot be written."""
        try:
            await self._report_end()
        finally:
            await self._start_escalation()

    async def _report_end(self) -> None:
        """Make the closing report. An incident that was deleted needs none."""
        try:
            await self._calls.call(HealingActivities.close, self._take_report())
        except ActivityError as error:
            if error_type(error) != NotFound.__name__:
                raise
            workflow.logger.warning("the incident was deleted, so its closing status was not written")

    async def _start_escalation(self) -> None:
        """Leave the rest to a workflow of its own, because people may take hours to respond."""
        request = EscalationRequest(
            incident=self._incident,
            spec=self._request.spec,
            opened_at=self._request.opened_at,
            status=self._state.status,
            rule=self._state.rule,
            acknowledged=self._state.acknowledged,
        )
        with suppress(WorkflowAlreadyStartedError):  # an earlier run has escalated already
            _ = await workflow.start_child_workflow(
                Escalation.run,
                request,
                id=escalation_id(self._incident.uid),
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                static_summary=f"{self._incident.namespace}/{self._incident.name}",
            )

    def _take_report(self) -> ReportRequest:
        return ReportRequest(incident=self._incident, status=self._state.status, events=self._state.events.take())
