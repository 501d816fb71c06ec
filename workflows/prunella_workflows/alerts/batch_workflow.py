"""AlertIntake: one notification's alerts, stored by one write, as one for each would take too long for Alertmanager.

They are distributed one by one in any order: each alert's own workflow decides by the times what is new.
"""

from datetime import timedelta

from temporalio import workflow

from prunella_workflows.contracts import alerts, options


@workflow.defn(name="AlertIntake")
class AlertIntake:
    """One notification, until every alert of it has reached its workflow."""

    @workflow.run
    async def run(self, batch: alerts.AlertBatch) -> None:
        """Distribute them, with retries for a day."""
        await workflow.execute_activity_method(
            alerts.AlertDistribution.distribute,
            batch,
            start_to_close_timeout=alerts.START_TO_CLOSE_TIMEOUT,
            schedule_to_close_timeout=timedelta(days=1),
            heartbeat_timeout=alerts.HEARTBEAT_TIMEOUT,
            retry_policy=options.UNTIL_DONE,
        )
