"""The contract of the TelemetryPipeline workflow: its id, state and activities. Add optional fields only.

A batch is a claim check: ranges of Kafka's offsets. The data stays in Kafka, the intermediate results in the database's
stage under the batch's id, and history carries counts and anomalies only.
"""

from abc import ABC, abstractmethod
from datetime import datetime, timedelta
from enum import StrEnum

from temporalio import activity

from prunella_workflows.model.alert import Alert
from prunella_workflows.model.base import Value
from prunella_workflows.model.telemetry_policy import TelemetryPolicy

START_TO_CLOSE_TIMEOUT = timedelta(minutes=30)
HEARTBEAT_TIMEOUT = timedelta(minutes=5)
BATCHES_PER_RUN = 200
"""Batches after which the workflow continues as new."""


_QUEUE_SUFFIX = "-telemetry"


def telemetry_queue(task_queue: str) -> str:
    """The task queue of the pipeline's workflows and activities: workers without the extra do not poll it."""
    return f"{task_queue}{_QUEUE_SUFFIX}"


def main_queue(telemetry_queue: str) -> str:
    """The task queue of all other workflows, to which the alerts of the pipeline go."""
    return telemetry_queue.removesuffix(_QUEUE_SUFFIX)


def pipeline_workflow_id(shard: int) -> str:
    """The workflow of one shard."""
    return f"telemetry-{shard}"


class TelemetrySignal(StrEnum):
    """The signals of OTLP, each with a topic of its own."""

    TRACES = "traces"
    METRICS = "metrics"
    LOGS = "logs"


class OffsetRange(Value):
    """Records of one partition: from offset `start` up to, and without, `end`."""

    signal: TelemetrySignal
    topic: str
    partition: int
    start: int
    end: int


class Batch(Value):
    """The ranges that are processed together; `id` is a hash of them.

    `lag` is the age in seconds of the oldest record when it was fetched. `judged` is False for a backlog, which is
    stored and never acted on.
    """

    id: str
    shard: int
    shards: int
    ranges: tuple[OffsetRange, ...] = ()
    lag: float = 0.0
    judged: bool = True
    parameters: TelemetryPolicy | None = None
    """Those of detection, for `detect` and `store` only. None: the built-in ones."""


class FetchRequest(Value):
    """Take the next ranges of a shard: partition p belongs to it when p mod `shards` is `shard`.

    `lateness`: seconds for which windows wait for late data.
    """

    shard: int
    shards: int
    lateness: float = 0.0


class Processed(Value):
    """The counts of one signal's records: items read, of them too late or with a wrong time, and records that are dead
    letters. `error` is set when this signal of the batch was given up.
    """

    signal: TelemetrySignal
    items: int = 0
    late: int = 0
    skewed: int = 0
    dead: int = 0
    error: str = ""


class Correlated(Value):
    """The counts of what was joined by pod, trace and window."""

    edges: int = 0
    logs_with_traces: int = 0
    open_spans: int = 0


class Detected(Value):
    """The alerts whose state changed: new ones, those whose facts changed, and those that are over."""

    alerts: tuple[Alert, ...] = ()
    anomalies: int = 0
    learning: int = 0


class Stored(Value):
    """The result of the store. `already`: the ranges were stored before, and nothing was written."""

    rows: int = 0
    already: bool = False


class PolicyReading(Value):
    """The parameters of detection that the policies set together, and why a policy was skipped."""

    parameters: TelemetryPolicy
    problems: tuple[str, ...] = ()


class PipelineState(Value):
    """The progress of a shard: the result of `getState`, and the input of a continued run."""

    batches: int = 0
    items: int = 0
    dead: int = 0
    alerts: int = 0
    lag: float = 0.0
    last_batch: str = ""
    last_at: datetime | None = None
    notes: tuple[str, ...] = ()
    parameters: TelemetryPolicy | None = None
    """Those of detection, as last read from the policies. None: none were read, and the built-in ones are used."""


class PipelineRequest(Value):
    """The input of a TelemetryPipeline workflow.

    `heartbeat`: seconds without one after which the worker of an activity is taken for dead.
    """

    shard: int = 0
    shards: int = 1
    heartbeat: float = HEARTBEAT_TIMEOUT.total_seconds()
    state: PipelineState = PipelineState()


class TelemetryActivities(ABC):
    """The activities of the TelemetryPipeline workflow. They heartbeat, and repeating them is harmless."""

    @abstractmethod
    @activity.defn(name="fetchTelemetry")
    async def fetch(self, request: FetchRequest) -> Batch:
        """Wait for records and take ranges from the stored offsets on; without ranges when nothing came for a while."""

    @abstractmethod
    @activity.defn(name="processTraces")
    async def process_traces(self, batch: Batch) -> Processed:
        """Read the spans of the batch and stage their RED rows, edges, exemplars and open halves."""

    @abstractmethod
    @activity.defn(name="processMetrics")
    async def process_metrics(self, batch: Batch) -> Processed:
        """Read the points of the batch and stage CPU, memory and restarts by pod."""

    @abstractmethod
    @activity.defn(name="processLogs")
    async def process_logs(self, batch: Batch) -> Processed:
        """Read the log records of the batch and stage counts by severity and template."""

    @abstractmethod
    @activity.defn(name="correlateTelemetry")
    async def correlate(self, batch: Batch) -> Correlated:
        """Join what was staged with what is stored by pod, trace and window."""

    @abstractmethod
    @activity.defn(name="detectAnomalies")
    async def detect(self, batch: Batch) -> Detected:
        """Judge the windows that are complete, and stage the detector's new state."""

    @abstractmethod
    @activity.defn(name="storeTelemetry")
    async def store(self, batch: Batch) -> Stored:
        """Write rows, detector state and offsets in one transaction; the offsets are the gate."""

    @abstractmethod
    @activity.defn(name="updateDashboard")
    async def dashboard(self, batch: Batch) -> None:
        """Update the table of services now, the gauges, and Grafana's annotations."""


class PolicyActivities(ABC):
    """The activity that the main worker runs on its queue: the telemetry worker has no access to the cluster."""

    @abstractmethod
    @activity.defn(name="readTelemetryPolicy")
    def read(self) -> PolicyReading:
        """Read the ClusterHealingPolicies and merge what they say about detection. An invalid one is skipped."""
