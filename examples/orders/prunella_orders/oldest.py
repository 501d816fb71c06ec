"""The age of the oldest order that waits for no person, for the alert LongRunningWorkflow."""

from contextlib import suppress
from datetime import timedelta

from prometheus_client import Gauge
from temporalio.client import Client

from prunella_operator import clock
from prunella_operator.temporal import rpc
from prunella_orders.names import approval_id, workflow_id

OLDEST = Gauge(
    "orders_oldest_seconds", "Age of the oldest order that waits for no person; 0 if none is older than a minute."
)
_MINUTE = timedelta(minutes=1)
_TIMEOUT_SECONDS = 10.0
_RUNNING = "ExecutionStatus = 'Running'"


async def measure(client: Client, older_than: timedelta = _MINUTE) -> None:
    """Update the gauge. A server that does not respond leaves it unchanged."""
    with suppress(rpc.TemporalUnavailable):
        OLDEST.set(await rpc.call(_oldest(client, older_than), _TIMEOUT_SECONDS))


async def _oldest(client: Client, older_than: timedelta) -> float:
    """In seconds, of those that are older than that."""
    now = clock.now()
    waiting = {run.id async for run in client.list_workflows(f"WorkflowType = 'Approval' AND {_RUNNING}")}
    query = f"WorkflowType = 'OrderWorkflow' AND {_RUNNING} AND StartTime < '{(now - older_than).isoformat()}'"
    running = [run async for run in client.list_workflows(query)]
    ages = [now - run.start_time for run in running if approval_id(run.id.removeprefix(workflow_id(""))) not in waiting]
    return max(ages, default=timedelta()).total_seconds()
