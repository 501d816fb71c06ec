"""The choice of the next batch of a shard: waits for records, and distinguishes a backlog from what happens now."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta

import structlog

from prunella_operator import clock
from prunella_operator.telemetry import gauges
from prunella_operator.telemetry.kafka.offsets import Offsets, Partition
from prunella_operator.telemetry.kafka.ranges import Backlog, batch_id, choose, lag_at_least
from prunella_operator.telemetry.store import offsets as stored_offsets
from prunella_operator.telemetry.store.database import Database
from prunella_workflows.contracts.telemetry import Batch, FetchRequest, TelemetrySignal

_log = structlog.get_logger("prunella.telemetry")

BATCH_BYTES, BEHIND_BYTES = 32 << 20, 64 << 20
LINGER_SECONDS = 10.0
"""A small batch ends once in each window, when an earlier one is complete: that one is judged with it."""
ARRIVAL_SECONDS = 2.0
"""The time that records usually need to get here."""
IDLE_SECONDS = 60.0
POLL_SECONDS = 1.0
_RUNGS = (10, 60, 300, 600, 3600, 21_600, 86_400)
"""Ages in seconds that the oldest record is compared with: each costs one question to the brokers."""
BACKLOG_SECONDS = 300
"""Records older than this are stored and never acted on."""
_BEHIND_SECONDS = 60


class Fetcher:
    """Chooses ranges of the topics. Nothing is read: the ranges are the claim check."""

    def __init__(self, offsets: Offsets, database: Database, topics: Mapping[str, TelemetrySignal]) -> None:
        self._offsets, self._database, self._topics = offsets, database, topics

    async def fetch(self, request: FetchRequest) -> Batch:
        """Wait for records of the shard; return a batch without ranges when none came for a minute."""
        began, due = clock.monotonic(), None
        partitions = await self._partitions(request)
        while True:
            backlogs = await self._backlogs(partitions)
            waiting = sum(backlog.bytes for backlog in backlogs)
            now = clock.monotonic()
            due = (due or now + _until_end(request.lateness)) if waiting else None
            if not waiting:
                gauges.idle(request.shard)
            if waiting >= BATCH_BYTES or (due and now >= due):
                return await self._batch(request, backlogs)
            if not waiting and now - began >= IDLE_SECONDS:
                return Batch(id="", shard=request.shard, shards=request.shards)
            await asyncio.sleep(min(POLL_SECONDS, due - now) if due else POLL_SECONDS)

    async def _partitions(self, request: FetchRequest) -> list[Partition]:
        known = await asyncio.to_thread(self._offsets.partitions, self._topics)
        return [one for one in known if one.number % request.shards == request.shard]

    async def _backlogs(self, partitions: list[Partition]) -> list[Backlog]:
        latest = await asyncio.to_thread(self._offsets.latest, partitions)
        async with self._database.connection() as connection:
            stored = await stored_offsets.load(connection, partitions)
        unknown = [one for one in latest if one not in stored or stored[one].offset > latest[one]]
        if unknown:
            await self._begin(unknown, stored)
        return [
            Backlog(self._topics[one.topic], one, stored[one].offset, end, stored[one].record_bytes)
            for one, end in sorted(latest.items())
            if one not in unknown
        ]

    async def _begin(self, partitions: list[Partition], stored: Mapping[Partition, stored_offsets.Next]) -> None:
        """Begin new partitions, and those whose topic was created again, at their first record."""
        earliest = await asyncio.to_thread(self._offsets.earliest, partitions)
        async with self._database.connection() as connection:
            await stored_offsets.begin(connection, earliest)
            for one in (one for one in earliest if one in stored):
                _log.warning("a topic was created again", topic=one.topic, partition=one.number)
                await stored_offsets.reset(connection, one, stored[one].offset, earliest[one])

    async def _batch(self, request: FetchRequest, backlogs: list[Backlog]) -> Batch:
        lag = await self._lag(backlogs)
        ranges = choose(backlogs, BEHIND_BYTES if lag >= _BEHIND_SECONDS else BATCH_BYTES)
        return Batch(
            id=batch_id(ranges),
            shard=request.shard,
            shards=request.shards,
            ranges=ranges,
            lag=lag,
            judged=lag < BACKLOG_SECONDS,
        )

    async def _lag(self, backlogs: list[Backlog]) -> float:
        """The age in seconds that the oldest record has at least."""
        lag, now = 0.0, clock.now()
        places = [backlog.partition for backlog in backlogs if backlog.end > backlog.start]
        for seconds in _RUNGS:
            since = await asyncio.to_thread(self._offsets.since, places, now - timedelta(seconds=seconds))
            if not lag_at_least(backlogs, since):
                break
            lag = float(seconds)
        return lag


def _until_end(lateness: float) -> float:
    """Seconds until the records have arrived that complete a window."""
    return LINGER_SECONDS - (clock.now().timestamp() - lateness - ARRIVAL_SECONDS) % LINGER_SECONDS
