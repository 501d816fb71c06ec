"""AlertIntake: the alerts of one notification, stored by one write and distributed one by one.

A write for each of a hundred alerts would take longer than Alertmanager waits. The order of distribution
does not matter: each alert's own workflow decides by the times what is new.
"""

from datetime import timedelta

from temporalio import workflow

from prunella_workflows.contracts.alerts import (
    DISTRIBUTION_RETRY,
    HEARTBEAT_TIMEOUT,
    START_TO_CLOSE_TIMEOUT,
    AlertBatch,
    AlertDistribution,
)


@workflow.defn(name="AlertIntake")
class AlertIntake:
    """One notification, until every alert of it has reached its workflow."""

    @workflow.run
    async def run(self, batch: AlertBatch) -> None:
        """Distribute them, with retries for a day."""
        await workflow.execute_activity_method(
            AlertDistribution.distribute,
            batch,
            start_to_close_timeout=START_TO_CLOSE_TIMEOUT,
            schedule_to_close_timeout=timedelta(days=1),
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=DISTRIBUTION_RETRY,
        )
