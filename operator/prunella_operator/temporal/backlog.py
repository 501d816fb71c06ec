"""The backlog of our task queue at Temporal: the measure by which workers are scaled."""

from contextlib import suppress

from prometheus_client import Gauge
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from prunella_operator.temporal import rpc
from prunella_workflows.model.errors import NotFound

DEPTH = Gauge(
    "temporal_task_queue_depth", "Tasks that wait for a worker, by Temporal's estimate.", ["task_queue", "kind"]
)
_REQUEST_TIMEOUT_SECONDS = 5.0
_KINDS = {"workflow": TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, "activity": TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY}


async def measure(client: Client, queue: str) -> None:
    """Update the gauge. A server that does not respond or does not count leaves it unchanged."""
    for kind, number in _KINDS.items():
        request = DescribeTaskQueueRequest(
            namespace=client.namespace, task_queue=TaskQueue(name=queue), task_queue_type=number, report_stats=True
        )
        with suppress(rpc.TemporalUnavailable, NotFound):
            response = await rpc.call(client.workflow_service.describe_task_queue(request), _REQUEST_TIMEOUT_SECONDS)
            DEPTH.labels(queue, kind).set(response.stats.approximate_backlog_count)
