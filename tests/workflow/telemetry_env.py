"""The environment of TelemetryPipeline: activities that follow a script; its alerts reach those of `alert_env`.

As there, an outcome is a value, an exception, or an (async) function of the request; the last one is repeated.
Without further batches the pipeline stops.
"""

from collections import Counter
from contextlib import asynccontextmanager, nullcontext
from inspect import isawaitable

from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker
from workflow.alert_env import QUEUE, ScriptedAlertActivities, alert_worker

from prunella_workflows.contracts.telemetry import (
    Batch,
    Correlated,
    Detected,
    FetchRequest,
    OffsetRange,
    PipelineRequest,
    PolicyActivities,
    PolicyReading,
    Processed,
    Stored,
    TelemetryActivities,
    TelemetrySignal,
    pipeline_workflow_id,
    telemetry_queue,
)
from prunella_workflows.model.telemetry_policy import DEFAULTS
from prunella_workflows.telemetry.workflow import TelemetryPipeline
from prunella_workflows.temporal.sandbox import workflow_runner

TELEMETRY_QUEUE = telemetry_queue(QUEUE)
STEPS = ("fetch", "process_traces", "process_metrics", "process_logs", "correlate", "detect", "store", "dashboard")
EMPTY = Batch(id="", shard=0, shards=1)


def a_batch(number=1, **values):
    """Ten records of traces."""
    start = 10 * number
    one = OffsetRange(signal=TelemetrySignal.TRACES, topic="otlp_spans", partition=0, start=start, end=start + 10)
    return Batch(**{"id": f"batch-{number}", "shard": 0, "shards": 1, "ranges": (one,), "lag": 2.0, **values})


class ScriptedTelemetry(TelemetryActivities, PolicyActivities):
    """By default there is one batch in which nothing is unusual; then the pipeline is stopped.

    Without a policy the parameters of detection are the built-in ones.
    """

    def __init__(self, client: Client, **script):
        self._client = client
        self.script = {
            "read": [PolicyReading(parameters=DEFAULTS)],
            "fetch": [a_batch(), self._stop],
            "process_traces": [Processed(signal=TelemetrySignal.TRACES, items=100)],
            "process_metrics": [Processed(signal=TelemetrySignal.METRICS, items=10, dead=1)],
            "process_logs": [Processed(signal=TelemetrySignal.LOGS, items=5)],
            "correlate": [Correlated()],
            "detect": [Detected()],
            "store": [Stored(rows=7)],
            "dashboard": [None],
            **{name: outcomes if isinstance(outcomes, list) else [outcomes] for name, outcomes in script.items()},
        }
        if "fetch" in script:
            self.script["fetch"].append(self._stop)
        self.calls = []
        self._counts = Counter()

    async def _stop(self, _request):
        await pipeline(self._client).signal(TelemetryPipeline.stop)
        return EMPTY

    async def _follow_script(self, name, request):
        self._counts[name] += 1
        self.calls.append((name, request))
        outcomes = self.script[name]
        outcome = outcomes[min(self._counts[name], len(outcomes)) - 1]
        if callable(outcome):
            outcome = outcome(request)
        if isawaitable(outcome):
            outcome = await outcome
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def requests(self, name):
        return [request for called, request in self.calls if called == name]

    @activity.defn(name="readTelemetryPolicy")
    async def read(self) -> PolicyReading:
        return await self._follow_script("read", None)

    @activity.defn(name="fetchTelemetry")
    async def fetch(self, request: FetchRequest) -> Batch:
        return await self._follow_script("fetch", request)

    @activity.defn(name="processTraces")
    async def process_traces(self, batch: Batch) -> Processed:
        return await self._follow_script("process_traces", batch)

    @activity.defn(name="processMetrics")
    async def process_metrics(self, batch: Batch) -> Processed:
        return await self._follow_script("process_metrics", batch)

    @activity.defn(name="processLogs")
    async def process_logs(self, batch: Batch) -> Processed:
        return await self._follow_script("process_logs", batch)

    @activity.defn(name="correlateTelemetry")
    async def correlate(self, batch: Batch) -> Correlated:
        return await self._follow_script("correlate", batch)

    @activity.defn(name="detectAnomalies")
    async def detect(self, batch: Batch) -> Detected:
        return await self._follow_script("detect", batch)

    @activity.defn(name="storeTelemetry")
    async def store(self, batch: Batch) -> Stored:
        return await self._follow_script("store", batch)

    @activity.defn(name="updateDashboard")
    async def dashboard(self, batch: Batch) -> None:
        return await self._follow_script("dashboard", batch)


@asynccontextmanager
async def telemetry_worker(
    client: Client, steps: ScriptedTelemetry, alerts: ScriptedAlertActivities | None = None, *, main=True, **options
):
    """A worker of the pipeline, and unless it is away the main one."""
    own = Worker(
        client,
        task_queue=TELEMETRY_QUEUE,
        workflows=[TelemetryPipeline],
        activities=[getattr(steps, name) for name in STEPS],
        workflow_runner=workflow_runner(),
        workflow_failure_exception_types=[Exception],
        **options,
    )
    other = alert_worker(client, alerts or ScriptedAlertActivities(), steps.read) if main else nullcontext()
    async with other, own as worker:
        yield worker


def pipeline(client: Client):
    """The pipeline of shard 0, started or not."""
    return client.get_workflow_handle_for(TelemetryPipeline.run, pipeline_workflow_id(0))


async def start_pipeline(client: Client, **values):
    return await client.start_workflow(
        TelemetryPipeline.run, PipelineRequest(**values), id=pipeline_workflow_id(0), task_queue=TELEMETRY_QUEUE
    )
