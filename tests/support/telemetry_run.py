"""A run of the telemetry pipeline on real parts, under load: a worker that is killed, and the sums that must come out.

Alerts end in activities of the test, which see what people would be told.
"""

import asyncio
import sys
import time
from collections import Counter
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
from localcluster.ports import free_ports
from otlpload.faults import Fault, FaultKind
from otlpload.generator import Generator
from otlpload.sender import Sender
from otlpload.shop import Shop
from support import kafka_records
from support.api import until
from telemetrydemo.load import LiveLoad, now
from telemetrydemo.processes import Temporal, Worker
from telemetrystack.collector import Collector, to_kafka
from telemetrystack.kafka import Broker
from telemetrystack.postgresql import PostgreSQL
from workflow.alert_env import QUEUE, ScriptedAlertActivities, alert_worker, stands

from prunella_operator.config.settings import Settings
from prunella_operator.temporal.client import connect
from prunella_workflows.contracts.telemetry import PipelineRequest, pipeline_workflow_id, telemetry_queue
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.telemetry.workflow import TelemetryPipeline

_HISTORY_SECONDS, _PART_SECONDS = 1440, 60
"""The time that detectors learn from, and its parts: nothing is late within one, as failed spans are carried for a
minute of their own times.

At this speed spans may come after the points of their windows, which are not learnt then: more is sent than is needed.
"""
_SPEED = 1000.0
_QUERIES = {
    "items": "SELECT sum(items) FROM telemetry_batch",
    "requests": "SELECT service, op, sum(n)::int FROM telemetry_red GROUP BY 1, 2 HAVING sum(n) > 0",
    "errors": "SELECT service, op, sum(errors)::int FROM telemetry_red GROUP BY 1, 2 HAVING sum(errors) > 0",
    "own_errors": "SELECT service, sum(own_errors)::int FROM telemetry_red GROUP BY 1 HAVING sum(own_errors) <> 0",
    "edges": "SELECT caller, callee, sum(n)::int FROM telemetry_edge GROUP BY 1, 2",
    "points": "SELECT sum(n) FROM telemetry_point",
    "severities": "SELECT service, severity, sum(n)::int FROM telemetry_log GROUP BY 1, 2",
}


class DyingWorker(Worker):
    """A worker that is started with the point at which it dies, or "" for none."""

    def command(self):
        return [sys.executable, str(Path(__file__).with_name("telemetry_worker.py"))]

    def answers(self):
        return True

    def wait(self, seconds):
        """Wait until it has died."""
        process, self._process = self._process, None
        try:
            process.wait(seconds)
        finally:
            process.kill()
            process.wait()


def _alerts():
    """Their Incidents stay open, so that only a repeat could open another one."""
    return ScriptedAlertActivities(follow=stands(Phase.REPAIRING))


@dataclass
class Run:
    """The parts of a run."""

    settings: Settings
    broker: Broker
    collector: Collector
    database: PostgreSQL
    temporal: Temporal
    worker: DyingWorker
    load: LiveLoad
    alerts: ScriptedAlertActivities = field(default_factory=_alerts)

    def teach(self):
        """Send healthy history, and then live telemetry in which a service fails."""
        for ago in range(_HISTORY_SECONDS - _PART_SECONDS, -1, -_PART_SECONDS):
            self.load.catch_up(now() - ago, _SPEED)
            self._wait(self.load.totals.items, 120)
        self.load.start()
        self.load.break_down(Fault(FaultKind.ERRORS, "payment"))

    def die_at(self, point, seconds=300.0):
        """Let the worker die at a point, and start it again without one."""
        self.worker.kill()
        self.worker.start(point)
        self.worker.wait(seconds)
        self.worker.start("")

    @asynccontextmanager
    async def more_shards(self, shards):
        """One worker more, which knows of so many shards, and starts those that are missing."""
        settings = self.settings.model_copy(update={"telemetry_shards": shards})
        worker = DyingWorker(settings, self.worker.log)
        await asyncio.to_thread(worker.start, "")
        try:
            yield
        finally:
            await asyncio.to_thread(worker.__exit__)

    async def start_again(self, shard, shards):
        """Stop a shard after its batch, and start it as one of so many."""
        client = await connect(self.settings, lazy=False)
        handle = client.get_workflow_handle_for(TelemetryPipeline.run, pipeline_workflow_id(shard))
        await handle.signal(TelemetryPipeline.stop)
        await handle.result()
        request = PipelineRequest(shard=shard, shards=shards, heartbeat=self.settings.telemetry_heartbeat)
        queue = telemetry_queue(self.settings.task_queue)
        await client.start_workflow(TelemetryPipeline.run, request, id=handle.id, task_queue=queue)

    @property
    def expected(self):
        """The totals of the generator."""
        sent = self.load.totals
        found = {
            name: {key: count for key, count in getattr(sent, name).items() if count}
            for name in ("requests", "errors", "own_errors", "edges", "severities")
        }
        return found | {"items": sent.items, "points": sent.points}

    @property
    def stored(self):
        """The same of what is stored."""
        return asyncio.run(self._read())

    async def _read(self):
        connection = await asyncpg.connect(self.database.dsn)
        try:
            rows = {name: await connection.fetch(query) for name, query in _QUERIES.items()}
        finally:
            await connection.close()
        single = {name: int(rows.pop(name)[0][0] or 0) for name in ("items", "points")}
        keyed = {
            name: {tuple(row[:-1]) if len(row) > 2 else row[0]: row[-1] for row in found}
            for name, found in rows.items()
        }
        return single | keyed

    def in_kafka(self):
        """The number of items in Kafka."""
        return sum(kafka_records.items(self.broker.address, "shop").values())

    def settle(self, items, seconds=180.0):
        """Wait until so much is stored; return what is stored a moment later, when nothing may have been added."""
        self._wait(items, seconds)
        time.sleep(8)
        return self.stored

    def _wait(self, items, seconds):
        end = time.monotonic() + seconds
        while self.stored["items"] < items and time.monotonic() < end:
            time.sleep(1)

    def assert_told_once(self):
        """At least one alert fired; each opened one Incident, and people were told of each once."""
        opened = Counter(request.alert.fingerprint for request in self.alerts.requests("open"))
        told = [request for request in self.alerts.requests("notify") if request.message.title.endswith("fires")]
        assert opened, "no alert"
        assert set(opened.values()) == {1}, opened
        assert len(told) == len(opened), told


@asynccontextmanager
async def running(folder, rate=20.0, shards=1):
    """Start everything; the load is started by `teach`."""
    with ExitStack() as stack:
        run = await asyncio.to_thread(_start, stack, folder, rate, shards)
        client = await connect(run.settings, lazy=False)
        async with alert_worker(client, run.alerts):
            yield run


def _start(stack, folder, rate, shards):
    broker = stack.enter_context(Broker(folder / "kafka.log"))
    broker.create_topics()
    collector = stack.enter_context(to_kafka(broker.address, folder / "collector.log"))
    database = stack.enter_context(PostgreSQL(folder / "postgresql.log"))
    (url := folder / "url").write_text(database.dsn)
    http, port, page = free_ports(3)
    settings = Settings(
        telemetry_kafka=(broker.address,),
        telemetry_database_url_file=str(url),
        telemetry_heartbeat=10.0,
        telemetry_shards=shards,
        temporal_address=f"127.0.0.1:{port}",
        temporal_port=port,
        temporal_ui_port=page,
        http_port=http,
        task_queue=QUEUE,
        log_format="text",
    )
    temporal = stack.enter_context(Temporal(settings, folder / "temporal.log"))
    load = LiveLoad(Generator(Shop(), rate), Sender(collector.address), now() - _HISTORY_SECONDS)
    stack.callback(load.stop)
    worker = DyingWorker(settings, folder / "worker.log")
    worker.start("")
    stack.callback(worker.__exit__)
    until(lambda: database.ask("SELECT to_regclass('telemetry_batch')") != [[""]], 60, "the worker has made its schema")
    return Run(settings, broker, collector, database, temporal, worker, load)
