"""The activities of the pipeline. Each has one effect and may be repeated: it replaces what it staged."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import polars as pl
from temporalio import activity

from prunella_operator import clock
from prunella_operator.telemetry import gauges
from prunella_operator.telemetry.annotations import Annotations
from prunella_operator.telemetry.detection import Detection
from prunella_operator.telemetry.fetching import Fetcher
from prunella_operator.telemetry.heartbeats import step
from prunella_operator.telemetry.kafka.dead_letters import DeadLetters
from prunella_operator.telemetry.kafka.reader import Reader
from prunella_operator.telemetry.learnt import Learnt
from prunella_operator.telemetry.processing.carry import NO_FAILED, NO_OPEN, Carried, carry
from prunella_operator.telemetry.processing.signals import Outcome, process
from prunella_operator.telemetry.store import gate, now, stage, windows
from prunella_operator.telemetry.store.database import Database
from prunella_operator.telemetry.store.rows import NS
from prunella_operator.telemetry.store.schema import create_partitions
from prunella_workflows.contracts.telemetry import (
    Batch,
    Correlated,
    Detected,
    FetchRequest,
    Processed,
    Stored,
    TelemetryActivities,
    TelemetrySignal,
)
from prunella_workflows.model.telemetry_policy import DEFAULTS

_FAILED_LOGS = ("ERROR", "FATAL")


class TelemetryActivitiesImpl(TelemetryActivities):
    """The activities on Kafka and the database."""

    def __init__(
        self,
        database: Database,
        fetcher: Fetcher,
        reader: Reader,
        dead_letters: DeadLetters,
        *,
        annotations: Annotations | None = None,
    ) -> None:
        self._database, self._fetcher, self._reader = database, fetcher, reader
        self._dead_letters, self._annotations = dead_letters, annotations
        self._learnt = Learnt()
        self._days: frozenset[date] = frozenset()

    @activity.defn(name="fetchTelemetry")
    async def fetch(self, request: FetchRequest) -> Batch:
        """Wait for records and choose ranges of them."""
        async with step():
            return await self._fetcher.fetch(request)

    @activity.defn(name="processTraces")
    async def process_traces(self, batch: Batch) -> Processed:
        """Stage RED rows, edges, exemplars and open halves."""
        return await self._process(TelemetrySignal.TRACES, batch)

    @activity.defn(name="processMetrics")
    async def process_metrics(self, batch: Batch) -> Processed:
        """Stage points by metric and pod."""
        return await self._process(TelemetrySignal.METRICS, batch)

    @activity.defn(name="processLogs")
    async def process_logs(self, batch: Batch) -> Processed:
        """Stage counts of log records."""
        return await self._process(TelemetrySignal.LOGS, batch)

    @activity.defn(name="correlateTelemetry")
    async def correlate(self, batch: Batch) -> Correlated:
        """Join what the batch left open with what the shard carries, and error logs with traces that failed."""
        async with step():
            names = ["open", "failed", "log", "exemplar", gate.COUNTS[TelemetrySignal.TRACES]]
            async with self._database.connection() as connection:
                bodies = await stage.get(connection, batch.id, names)
                carried = await stage.states(connection, batch.shard, ["carry.open", "carry.failed"])
            if gate.COUNTS[TelemetrySignal.TRACES] not in bodies:
                return Correlated()
            joined = await asyncio.to_thread(_carry, bodies, carried)
            staged = {
                "edge.late": joined.edges, "red.late": joined.red, "carry.open": joined.open,
                "carry.failed": joined.failed,
            }  # fmt: skip
            async with self._database.connection() as connection:
                await stage.put(connection, batch.id, {name: stage.pack(frame) for name, frame in staged.items()})
            return Correlated(
                edges=int(joined.edges["n"].sum()), logs_with_traces=_count_logs(bodies), open_spans=len(joined.open)
            )

    @activity.defn(name="detectAnomalies")
    async def detect(self, batch: Batch) -> Detected:
        """Judge complete windows. A backlog is not judged."""
        async with step():
            return await self._detection(batch).detect(batch) if batch.judged else Detected()

    @activity.defn(name="storeTelemetry")
    async def store(self, batch: Batch) -> Stored:
        """Store what was staged, unless the offsets have moved."""
        async with step(), self._database.connection() as connection:
            return await gate.store(connection, batch, self._detection(batch).lateness)

    @activity.defn(name="updateDashboard")
    async def dashboard(self, batch: Batch) -> None:
        """Update the table of services now, the gauges, the group's offsets and Grafana's annotations."""
        async with step():
            async with self._database.connection() as connection:
                row = await now.read_batch(connection, batch.id)
                if row is None:
                    return
                read_to = await windows.own_watermark(connection, batch.shard)
                if read_to is not None:
                    await now.update_now(connection, read_to)
                records = sum(taken.end - taken.start for taken in batch.ranges)
                gauges.observe(row, records, await now.count_open(connection))
            await asyncio.to_thread(self._reader.commit, batch.ranges)
            if self._annotations is not None:
                await self._annotations.update()

    def _detection(self, batch: Batch) -> Detection:
        return Detection(self._database, self._learnt, batch.parameters or DEFAULTS)

    async def _process(self, signal: TelemetrySignal, batch: Batch) -> Processed:
        ranges = [taken for taken in batch.ranges if taken.signal is signal]
        async with step():
            if not ranges:
                return Processed(signal=signal)
            async with self._database.connection() as connection:
                watermark = await windows.own_watermark(connection, batch.shard)
            judged_to = int(watermark.timestamp()) * NS if watermark else 0
            outcome = await asyncio.to_thread(process, signal, self._reader.read(ranges), judged_to)
            await asyncio.to_thread(self._dead_letters.send, outcome.dead)
            await self._stage(signal, batch, outcome)
        counts = outcome.counts
        return Processed(
            signal=signal, items=counts.items, late=counts.late, skewed=counts.skewed, dead=len(outcome.dead)
        )

    async def _stage(self, signal: TelemetrySignal, batch: Batch, outcome: Outcome) -> None:
        bodies = {name: await asyncio.to_thread(stage.pack, frame) for name, frame in outcome.frames.items()}
        bodies[gate.COUNTS[signal]] = stage.pack_json(outcome.to_json())
        async with self._database.connection() as connection:
            if not self._database.timescale:
                await self._create_partitions(outcome)
            await stage.put(connection, batch.id, bodies)

    async def _create_partitions(self, outcome: Outcome) -> None:
        """Create the partitions of the days of these rows, of today, and of tomorrow."""
        today = clock.now().date()
        times = [time for frame in outcome.frames.values() if "at" in frame for time in frame["at"].unique()]
        days = {datetime.fromtimestamp(time / NS, UTC).date() for time in times} | {today, today + timedelta(days=1)}
        if days <= self._days:
            return
        async with self._database.connection() as connection:
            await create_partitions(connection, sorted(days), today)
        self._days |= days


def _carry(bodies: Mapping[str, bytes], carried: Mapping[str, bytes]) -> Carried:
    """Join open halves and failed spans of this batch with those of earlier ones."""
    joined = {}
    for name, none in (("open", NO_OPEN), ("failed", NO_FAILED)):
        found = [stage.unpack(body) for body in (bodies.get(name), carried.get(f"carry.{name}")) if body]
        # A carry that another version has written is dropped, which costs the edges of a minute at most.
        joined[name] = pl.concat(
            [none, *(one.select(none.columns) for one in found if set(one.columns) == {*none.columns})]
        )
    newest = json.loads(bodies[gate.COUNTS[TelemetrySignal.TRACES]])["newest"]
    return carry(joined["open"], joined["failed"], newest)


def _count_logs(bodies: Mapping[str, bytes]) -> int:
    """Error logs of traces that failed."""
    if "log" not in bodies or "exemplar" not in bodies:
        return 0
    failed = stage.unpack(bodies["exemplar"]).filter("failed")["trace_id"].unique()
    logs = stage.unpack(bodies["log"]).filter(pl.col("severity").is_in(_FAILED_LOGS))
    return logs.filter(pl.col("trace_id").is_in(failed.implode())).height
