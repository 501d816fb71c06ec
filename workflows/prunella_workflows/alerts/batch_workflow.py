"""AlertIntake: many alerts that came in one notification, kept by one write and handed on one by one.

A write for each of a hundred alerts would take longer than Alertmanager waits. The order in which they are handed on
does not matter: each alert's own workflow tells by their times what is new.
"""

from datetime import timedelta

from temporalio import workflow

from prunella_workflows.contracts.alerts import HAND_ON, HEARTBEAT, START_TO_CLOSE, AlertBatch, AlertDistribution


@workflow.defn(name="AlertIntake")
class AlertIntake:
    """One notification, until every alert of it has reached its workflow."""

    @workflow.run
    async def run(self, batch: AlertBatch) -> None:
        """Hand them on; it is tried for as long as anybody could still care."""
        await workflow.execute_activity_method(
            AlertDistribution.distribute,
            batch,
            start_to_close_timeout=START_TO_CLOSE,
            schedule_to_close_timeout=timedelta(days=1),
            heartbeat_timeout=HEARTBEAT,
            retry_policy=HAND_ON,
        )
