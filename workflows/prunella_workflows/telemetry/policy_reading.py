"""The call of the main worker for the parameters of detection. Used inside the workflow only."""

from datetime import timedelta

from temporalio import workflow

from prunella_workflows.contracts import options
from prunella_workflows.contracts.telemetry import PolicyActivities, PolicyReading, main_queue

INTERVAL = timedelta(minutes=5)
"""Between two calls, also when the first one failed."""

TIMEOUT = timedelta(seconds=5)
"""For all attempts: batches wait meanwhile."""


async def read_policy() -> PolicyReading:
    """Read the policies.

    Raises:
        ActivityError: they cannot be read, or no worker answers in time.
    """
    return await workflow.execute_activity_method(
        PolicyActivities.read,
        task_queue=main_queue(workflow.info().task_queue),
        schedule_to_close_timeout=TIMEOUT,
        retry_policy=options.IDEMPOTENT,
    )
