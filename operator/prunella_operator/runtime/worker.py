"""The Temporal worker: our workflows and their activities, with the limits that settings give."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
from temporalio.client import Client
from temporalio.worker import PollerBehaviorSimpleMaximum, Worker

from prunella_operator.activities import Activities
from prunella_operator.activities.alerts.activities import AlertActivitiesImpl
from prunella_operator.activities.alerts.alertmanager import connect_alertmanager
from prunella_operator.activities.alerts.distribution import Distribution
from prunella_operator.activities.evidence.collector import EvidenceCollector
from prunella_operator.activities.evidence.telemetry import NotConfigured, TelemetrySource
from prunella_operator.activities.notifications.activities import Notices
from prunella_operator.activities.telemetry_policy import PolicyActivitiesImpl
from prunella_operator.activities.watch import Watches
from prunella_operator.alerts.dispatcher import AlertDispatcher
from prunella_operator.config.settings import Settings
from prunella_operator.kubernetes.access import Access
from prunella_operator.kubernetes.async_client import AsyncClient
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_operator.metrics import factory as metrics
from prunella_operator.metrics.usage import UsageReader
from prunella_operator.observability.workflows import expose
from prunella_operator.process import Process
from prunella_operator.runtime.tuner import create_tuner
from prunella_operator.temporal.client import connect, explain
from prunella_workflows.alerts.batch_workflow import AlertIntake
from prunella_workflows.alerts.workflow import AlertHandling
from prunella_workflows.contracts.healing import watch_queue
from prunella_workflows.escalation.workflow import Escalation
from prunella_workflows.healing.workflow import SelfHealing
from prunella_workflows.model.errors import InvalidInputError
from prunella_workflows.patterns import ApprovalWorkflow
from prunella_workflows.temporal.sandbox import workflow_runner

_log = structlog.get_logger("prunella.worker")

_RETRY_INTERVAL_SECONDS = 2.0
_GRACE_PERIOD = timedelta(seconds=30)
_MAX_CACHED_WORKFLOWS = 4000
"""Two for each of 2,000 incidents with an alert, about 0.1 MB each. Others are replayed whole at each step."""
_MAX_WATCHES = 2000
WATCH_THREADS = 4
"""Threads for the checks of all watches: a check takes tens of milliseconds, a pause between two takes seconds."""

_WORKFLOWS = {
    "SelfHealing": SelfHealing,
    "Escalation": Escalation,
    "AlertHandling": AlertHandling,
    "AlertIntake": AlertIntake,
    "Approval": ApprovalWorkflow,
}
"""The workflows by their type. Approval is for any application that shares this Temporal."""

Registered = list[Callable[..., Any]]  # activities
Build = Callable[[Client], Worker]


def build_worker(client: Client, settings: Settings, activities: Registered, pool: ThreadPoolExecutor) -> Worker:
    """Build a worker. Its grace period at shutdown covers the longest short activity."""
    expose(_WORKFLOWS, settings.task_queue)
    return Worker(
        client,
        task_queue=settings.task_queue,
        workflows=list(_WORKFLOWS.values()),
        activities=[*activities, Distribution(AlertDispatcher(client, settings.task_queue)).distribute],
        workflow_runner=workflow_runner(),
        activity_executor=pool,
        tuner=create_tuner(settings),
        workflow_task_poller_behavior=PollerBehaviorSimpleMaximum(settings.pollers),
        activity_task_poller_behavior=PollerBehaviorSimpleMaximum(settings.pollers),
        max_cached_workflows=_MAX_CACHED_WORKFLOWS,
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=settings.sticky_timeout),
        graceful_shutdown_timeout=_GRACE_PERIOD,
    )


def build_watcher(client: Client, settings: Settings, watches: Registered) -> Worker:
    """Build the worker of watching activities. One that stops gives them up at once: another worker continues them."""
    return Worker(
        client,
        task_queue=watch_queue(settings.task_queue),
        activities=watches,
        max_concurrent_activities=_MAX_WATCHES,
        activity_task_poller_behavior=PollerBehaviorSimpleMaximum(settings.pollers),
    )


@asynccontextmanager
async def run_worker(settings: Settings, access: Access, process: Process) -> AsyncIterator[None]:
    """Serve for as long as the context is open."""
    kube = SyncClient(access, settings.api_timeout, settings.max_activities + WATCH_THREADS)
    protected, measured = settings.protected_namespaces, metrics.create_source(settings)
    telemetry, limit = create_telemetry_source(settings), settings.record_bytes
    healing = Activities(kube, settings.known_good_after, protected, measured, telemetry, record_bytes=limit)
    collector = EvidenceCollector(kube, settings.known_good_after, UsageReader(kube, measured))
    notices = Notices(kube, settings)
    pool = ThreadPoolExecutor(settings.max_activities, thread_name_prefix="activity")
    async with AsyncClient(access, settings.api_timeout) as client:
        alerts = AlertActivitiesImpl(kube, client, collector, protected, connect_alertmanager(settings))
        registered: Registered = [*_activities(healing, alerts), notices.notify, notices.ticket]
        registered.append(PolicyActivitiesImpl(kube).read)
        with pool, ThreadPoolExecutor(WATCH_THREADS, thread_name_prefix="watch") as checks:
            watches = Watches(healing, checks)
            build = partial(build_worker, settings=settings, activities=registered, pool=pool)
            watch = partial(build_watcher, settings=settings, watches=[watches.confirm, watches.verify])
            process.start("worker", _serve(settings, build, watch, process))
            yield


def create_telemetry_source(settings: Settings) -> TelemetrySource:
    """The stored telemetry, if its database is set; only then is the extra needed.

    Raises:
        InvalidInputError: the extra is missing, or the file with the database's URL cannot be read.
    """
    if not settings.telemetry_database_url_file:
        return NotConfigured()
    try:
        from prunella_operator.telemetry.source import StoredTelemetry  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise InvalidInputError(
            f"telemetry_database_url_file is set, and {error.name} is missing: pip install 'prunella[telemetry]'"
        ) from error
    return StoredTelemetry(settings)


def _activities(own: Activities, alerts: AlertActivitiesImpl) -> Registered:
    healing: Registered = [own.diagnose, own.repair, own.undo, own.report, own.close]
    incidents: Registered = [alerts.open, alerts.follow, alerts.withdraw, alerts.record]
    return [*healing, *incidents, alerts.enrich, alerts.silence, alerts.unsilence, alerts.is_firing]


async def _serve(settings: Settings, worker: Build, watcher: Build, process: Process) -> None:
    """Serve until cancelled; a worker needs a connected client, so wait while Temporal is unavailable."""
    waiting = ""
    process.checks["worker"] = lambda: waiting
    while True:
        try:
            client = await connect(settings, lazy=False, interceptors=process.interceptors, runtime=process.runtime)
            waiting = ""
            async with watcher(client):
                await worker(client).run()
        except RuntimeError as error:
            waiting = f"Temporal cannot be reached: {explain(error)}"
            _log.warning("the worker waits for Temporal", error=explain(error))
            await asyncio.sleep(_RETRY_INTERVAL_SECONDS)
