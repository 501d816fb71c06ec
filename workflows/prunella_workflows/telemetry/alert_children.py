"""The AlertHandling workflows of a pipeline's anomalies. Used inside the workflow only.

A repeated message is harmless: the alert's own workflow knows which firing it has handled (see `AlertLog`).
"""

import asyncio

from temporalio import workflow
from temporalio.exceptions import FailureError, WorkflowAlreadyStartedError, is_cancelled_exception

from prunella_workflows.alerts.workflow import AlertHandling
from prunella_workflows.contracts.alerts import AlertRequest, alert_workflow_id
from prunella_workflows.contracts.telemetry import main_queue
from prunella_workflows.model.alert import Alert, AlertStatus

_TRIES = 3
"""A workflow may end between the attempt to start it and the signal."""


async def send_all(alerts: tuple[Alert, ...]) -> tuple[str, ...]:
    """Send all alerts at once; return those that could not be sent, each with the reason."""
    problems = await asyncio.gather(*map(_send, alerts))
    return tuple(filter(None, problems))


async def _send(alert: Alert) -> str:
    if alert.status is AlertStatus.RESOLVED:
        await _signal(alert)  # one without a workflow was over before
        return ""
    for _ in range(_TRIES):
        await _start(alert)
        if not (problem := await _signal(alert)):
            return ""
    return f"alert {alert.fingerprint} was not sent: {problem}"


async def _start(alert: Alert) -> None:
    """Start the alert's workflow, which outlives this one, unless it runs."""
    try:
        _ = await workflow.start_child_workflow(
            AlertHandling.run,
            AlertRequest(fingerprint=alert.fingerprint),
            id=alert_workflow_id(alert.fingerprint),
            task_queue=main_queue(workflow.info().task_queue),
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
        )
    except WorkflowAlreadyStartedError:
        return


async def _signal(alert: Alert) -> str:
    """Signal the alert's workflow; return why that failed, such as because it has ended."""
    handle = workflow.get_external_workflow_handle(alert_workflow_id(alert.fingerprint))
    try:
        if alert.status is AlertStatus.FIRING:
            await handle.signal(AlertHandling.fire, alert)
        else:
            await handle.signal(AlertHandling.resolve, alert)
    except FailureError as error:
        if is_cancelled_exception(error):
            raise
        return str(error)
    return ""
