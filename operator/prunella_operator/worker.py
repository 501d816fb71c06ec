"""The Temporal worker: the SelfHealing workflow and its activities, with the limits that settings give."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import timedelta

import structlog
from temporalio.client import Client
from temporalio.worker import PollerBehaviorSimpleMaximum, Worker

from prunella_operator.activities import Activities
from prunella_operator.cluster.access import Access
from prunella_operator.cluster.kube import Kube
from prunella_operator.process import Process
from prunella_operator.settings import Settings
from prunella_operator.temporal import connect
from prunella_workflows.healing import SelfHealing
from prunella_workflows.sandbox import workflow_runner

_log = structlog.get_logger("prunella.worker")

_AGAIN = 2.0
_GRACE = timedelta(seconds=30)
_CACHED_WORKFLOWS = 300  # about 0.1 MB each; the rest is replayed when it moves on


def build_worker(client: Client, settings: Settings, activities: Activities, pool: ThreadPoolExecutor) -> Worker:
    """A worker that is ready to run. Its grace at shutdown covers the longest short activity."""
    hands = activities
    return Worker(
        client,
        task_queue=settings.task_queue,
        workflows=[SelfHealing],
        activities=[
            hands.confirm,
            hands.diagnose,
            hands.repair,
            hands.undo,
            hands.verify,
            hands.report,
            hands.close,
            hands.escalate,
        ],
        workflow_runner=workflow_runner(),
        activity_executor=pool,
        max_concurrent_workflow_tasks=settings.max_workflow_tasks,
        max_concurrent_activities=settings.max_activities,
        workflow_task_poller_behavior=PollerBehaviorSimpleMaximum(settings.pollers),
        activity_task_poller_behavior=PollerBehaviorSimpleMaximum(settings.pollers),
        max_cached_workflows=_CACHED_WORKFLOWS,
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=settings.sticky_timeout),
        graceful_shutdown_timeout=_GRACE,
    )


@asynccontextmanager
async def worker_side(settings: Settings, access: Access, process: Process) -> AsyncIterator[None]:
    """A worker that serves for as long as the context is open."""
    kube = Kube(access, settings.api_timeout)
    activities = Activities(kube, settings.known_good_after, settings.protected_namespaces)
    with ThreadPoolExecutor(settings.max_activities, thread_name_prefix="activity") as pool:
        process.start("worker", _serve(settings, activities, pool, process))
        yield


async def _serve(settings: Settings, activities: Activities, pool: ThreadPoolExecutor, process: Process) -> None:
    """Serve until cancelled; wait for a Temporal that is not there yet (a worker needs a connected client)."""
    waiting = ""
    process.checks["worker"] = lambda: waiting
    while True:
        try:
            client = await connect(settings, lazy=False)
            waiting = ""
            await build_worker(client, settings, activities, pool).run()
        except RuntimeError as error:
            waiting = f"Temporal cannot be reached: {error}"
            _log.warning("the worker waits for Temporal", error=str(error))
            await asyncio.sleep(_AGAIN)
