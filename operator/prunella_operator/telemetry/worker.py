"""The telemetry worker: the TelemetryPipeline workflows and their activities, on a task queue of their own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import structlog
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.worker import PollerBehaviorSimpleMaximum, Worker

from prunella_operator.config.settings import Settings
from prunella_operator.observability.workflows import expose
from prunella_operator.process import Process
from prunella_operator.telemetry import annotations
from prunella_operator.telemetry.activities import TelemetryActivitiesImpl
from prunella_operator.telemetry.fetching import Fetcher
from prunella_operator.telemetry.kafka.configuration import configuration
from prunella_operator.telemetry.kafka.dead_letters import DeadLetters
from prunella_operator.telemetry.kafka.offsets import Offsets
from prunella_operator.telemetry.kafka.reader import Reader
from prunella_operator.telemetry.store.database import Database, read_url
from prunella_operator.temporal.client import connect
from prunella_workflows.contracts.telemetry import (
    PipelineRequest,
    TelemetrySignal,
    pipeline_workflow_id,
    telemetry_queue,
)
from prunella_workflows.model.errors import PrunellaError
from prunella_workflows.telemetry.workflow import TelemetryPipeline
from prunella_workflows.temporal.sandbox import workflow_runner

_log = structlog.get_logger("prunella.telemetry")

_RETRY_SECONDS = 2.0
_POLLERS = 2
_ACTIVITIES_PER_SHARD = 4
"""The three signals in parallel, and one to spare."""
_GRACE_PERIOD = timedelta(seconds=10)


@asynccontextmanager
async def run_telemetry(settings: Settings, process: Process) -> AsyncIterator[None]:
    """Serve for as long as the context is open. Raises InvalidInputError when a setting is missing."""
    database, reader = Database(read_url(settings)), Reader(configuration(settings))
    activities = build_activities(settings, database, reader)
    try:
        process.start("telemetry", _serve(settings, database, activities, process))
        yield
    finally:
        reader.close()
        await database.close()


def build_activities(settings: Settings, database: Database, reader: Reader) -> TelemetryActivitiesImpl:
    """The activities, with the topics and brokers of settings."""
    kafka = configuration(settings)
    topics = {
        settings.telemetry_traces_topic: TelemetrySignal.TRACES,
        settings.telemetry_metrics_topic: TelemetrySignal.METRICS,
        settings.telemetry_logs_topic: TelemetrySignal.LOGS,
    }
    return TelemetryActivitiesImpl(
        database,
        Fetcher(Offsets(kafka), database, topics),
        reader,
        DeadLetters(kafka, settings.telemetry_dead_topic),
        annotations=annotations.create(settings, database),
    )


def build_worker(client: Client, settings: Settings, activities: TelemetryActivitiesImpl) -> Worker:
    """Build a worker of the workflows and activities."""
    queue = telemetry_queue(settings.task_queue)
    expose((TelemetryPipeline.__name__,), queue)
    own = activities
    return Worker(
        client,
        task_queue=queue,
        workflows=[TelemetryPipeline],
        activities=[
            own.fetch, own.process_traces, own.process_metrics, own.process_logs, own.correlate, own.detect, own.store,
            own.dashboard,
        ],
        workflow_runner=workflow_runner(),
        max_concurrent_activities=_ACTIVITIES_PER_SHARD * settings.telemetry_shards,
        workflow_task_poller_behavior=PollerBehaviorSimpleMaximum(_POLLERS),
        activity_task_poller_behavior=PollerBehaviorSimpleMaximum(_POLLERS),
        graceful_shutdown_timeout=_GRACE_PERIOD,
    )  # fmt: skip


async def start_pipelines(client: Client, settings: Settings) -> None:
    """Start the workflow of each shard, unless it runs."""
    for shard in range(settings.telemetry_shards):
        request = PipelineRequest(shard=shard, shards=settings.telemetry_shards, heartbeat=settings.telemetry_heartbeat)
        await client.start_workflow(
            TelemetryPipeline.run,
            request,
            id=pipeline_workflow_id(shard),
            task_queue=telemetry_queue(settings.task_queue),
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )


async def _serve(settings: Settings, database: Database, activities: TelemetryActivitiesImpl, process: Process) -> None:
    """Serve until cancelled; wait while the database or Temporal is away."""
    waiting = "it is starting"
    process.checks["telemetry"] = lambda: waiting
    while True:
        try:
            await database.migrate()
            client = await connect(settings, lazy=False, interceptors=process.interceptors, runtime=process.runtime)
            await start_pipelines(client, settings)
            waiting = ""
            await build_worker(client, settings, activities).run()
        except (RuntimeError, PrunellaError) as error:
            waiting = str(error)
            _log.warning("the telemetry worker waits", error=waiting)
            await asyncio.sleep(_RETRY_SECONDS)
