"""How much waits in our task queue at Temporal, which is what workers are scaled by."""

from contextlib import suppress

from prometheus_client import Gauge
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from prunella_operator.temporal.rpc import TemporalUnavailable, ask
from prunella_workflows.model.errors import NotFound

DEPTH = Gauge(
    "temporal_task_queue_depth", "Tasks that wait for a worker, by Temporal's estimate.", ["task_queue", "kind"]
)
_WITHIN = 5.0  # seconds
_KINDS = {"workflow": TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, "activity": TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY}


async def measure(client: Client, queue: str) -> None:
    """Ask, and keep the gauge up to date. A server that does not answer or does not count leaves it as it was."""
    for kind, number in _KINDS.items():
        request = DescribeTaskQueueRequest(
            namespace=client.namespace, task_queue=TaskQueue(name=queue), task_queue_type=number, report_stats=True
        )
        with suppress(TemporalUnavailable, NotFound):
            answer = await ask(client.workflow_service.describe_task_queue(request), _WITHIN)
            DEPTH.labels(queue, kind).set(answer.stats.approximate_backlog_count)
