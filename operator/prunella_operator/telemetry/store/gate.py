"""The store of a batch, in one transaction behind a gate: offsets that have moved mean that it was stored before."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import asyncpg

from prunella_operator import clock
from prunella_operator.telemetry.store import anomalies, minutes, rows
from prunella_operator.telemetry.store.stage import unpack
from prunella_workflows.contracts.telemetry import Batch, OffsetRange, Stored, TelemetrySignal
from prunella_workflows.model.errors import Permanent

COUNTS = {signal: f"counts.{signal}" for signal in TelemetrySignal}
"""Staged with the rows of each signal: without it the signal is not stored, and its records are fetched again."""
CARRY = ("carry.open", "carry.failed", "detector", "detector.version")
"""Staged states of the shard, which move within the database."""
_REQUESTS = ("red", "red.late")
_STAGED = "SELECT name, body FROM telemetry_stage WHERE batch = $1 AND name <> ALL($2)"
_MOVE = """
UPDATE telemetry_offset
SET next = $4, record_bytes = coalesce(nullif($5, 0), record_bytes), updated = now()
WHERE topic = $1 AND part = $2 AND next = $3
"""
_STATE = """
INSERT INTO telemetry_state (shard, name, body, batch)
SELECT $1, name, body, batch FROM telemetry_stage WHERE batch = $2 AND name = ANY($3)
ON CONFLICT (shard, name) DO UPDATE SET body = EXCLUDED.body, batch = EXCLUDED.batch, updated = now()
"""
_WATERMARK = """
INSERT INTO telemetry_watermark (shard, watermark) VALUES ($1, $2) ON CONFLICT (shard)
DO UPDATE SET watermark = GREATEST(telemetry_watermark.watermark, EXCLUDED.watermark), updated = now()
"""
_BATCH = """
INSERT INTO telemetry_batch
    (ts, batch, shard, items, late, skewed, dead, other, bytes, row_count, lag_seconds, seconds, judged)
VALUES (now(), $1, $2, $3, $4, $5, $6, $7, $8, $9, $10,
        extract(epoch FROM now() - (SELECT min(created) FROM telemetry_stage WHERE batch = $1)), $11)
"""
_SUMS = ("items", "late", "skewed", "dead", "other", "bytes")


class NothingStaged(Permanent):
    """No signal of the batch was processed: there is nothing to store, and no offset moves."""


class _Moved(Exception):
    """The offsets are not where the batch begins."""


async def store(connection: asyncpg.Connection, batch: Batch, lateness: float) -> Stored:
    """Store the staged results of a batch and move its offsets, or do nothing if they have moved.

    Raises:
        NothingStaged: no signal of the batch was processed.
    """
    try:
        async with connection.transaction():
            return await _store(connection, batch, lateness)
    except _Moved:
        return Stored(already=True)


async def _store(connection: asyncpg.Connection, batch: Batch, lateness: float) -> Stored:
    staged = await connection.fetch(_STAGED, batch.id, CARRY)
    bodies = {row["name"]: row["body"] for row in staged}
    counts = {signal: json.loads(bodies[name]) for signal, name in COUNTS.items() if name in bodies}
    await _pass_gate(connection, batch.ranges, counts)
    frames = {name: unpack(body) for name, body in bodies.items() if _table(name) in rows.COLUMNS}
    written = sum([await rows.write(connection, _table(name), batch.id, frame) for name, frame in frames.items()])
    if requests := [frames[name] for name in _REQUESTS if name in frames]:
        await minutes.add(connection, batch.shard, requests)
    await connection.execute(_STATE, batch.shard, batch.id, CARRY)
    await anomalies.write(connection, bodies)
    await _record(connection, batch, list(counts.values()), written, lateness)
    await connection.execute(
        "DELETE FROM telemetry_stage WHERE batch = $1 OR created < now() - INTERVAL '1 day'", batch.id
    )
    return Stored(rows=written)


def _table(name: str) -> str:
    """The table of staged rows, such as "red" of "red.late"."""
    return name.partition(".")[0]


async def _pass_gate(
    connection: asyncpg.Connection, ranges: Sequence[OffsetRange], counts: Mapping[TelemetrySignal, Mapping[str, Any]]
) -> None:
    """Move the offsets of the signals that were processed, in an order that all batches share."""
    moving = [taken for taken in ranges if taken.signal in counts] or ranges
    for taken in sorted(moving, key=lambda taken: (taken.topic, taken.partition)):
        size = counts.get(taken.signal, {}).get("recordBytes", 0.0)
        moved = await connection.execute(_MOVE, taken.topic, taken.partition, taken.start, taken.end, size)
        if not moved.endswith(" 1"):
            raise _Moved
    if not counts:
        raise NothingStaged("no signal of the batch was processed")


async def _record(
    connection: asyncpg.Connection,
    batch: Batch,
    counts: Collection[Mapping[str, Any]],
    written: int,
    lateness: float,
) -> None:
    """Write what became of the batch, and the shard's watermark: the newest time less the allowed lateness."""
    sums = [sum(one[name] for one in counts) for name in _SUMS]
    newest = max(one["newest"] for one in counts)
    oldest = min((one["oldest"] for one in counts if one["oldest"]), default=0)
    lag = max(0.0, clock.now().timestamp() - oldest / rows.NS) if oldest else 0.0
    await connection.execute(_BATCH, batch.id, batch.shard, *sums, written, lag, batch.judged)
    if newest:
        await connection.execute(_WATERMARK, batch.shard, datetime.fromtimestamp(newest / rows.NS - lateness, UTC))
