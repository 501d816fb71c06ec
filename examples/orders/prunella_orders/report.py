"""The nightly report: a workflow that a Temporal Schedule starts."""

from datetime import date, timedelta

from temporalio import workflow
from temporalio.common import SearchAttributeKey

with workflow.unsafe.imports_passed_through():
    from prunella_orders.activities import OrderActivities as Activities
    from prunella_orders.model import Report
    from prunella_workflows.contracts.options import IDEMPOTENT

_SCHEDULED_AT = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")
_ATTEMPT = timedelta(seconds=60)


@workflow.defn
class NightlyReport:
    """Writes and mails what came of the orders of a day."""

    @workflow.run
    async def run(self, day: date | None = None) -> Report:
        """Report a day; without one the day before that of the schedule, however late the run is."""
        info = workflow.info()
        scheduled = info.typed_search_attributes.get(_SCHEDULED_AT, info.start_time)
        report = await workflow.execute_activity_method(
            Activities.write_report,
            day or scheduled.date() - timedelta(days=1),
            start_to_close_timeout=_ATTEMPT,
            retry_policy=IDEMPOTENT,
        )
        await workflow.execute_activity_method(
            Activities.mail_report, report, start_to_close_timeout=_ATTEMPT, retry_policy=IDEMPOTENT
        )
        return report
