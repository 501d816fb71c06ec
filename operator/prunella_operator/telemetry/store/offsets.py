"""The stored offsets: where the next batch begins."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

import asyncpg

from prunella_operator.telemetry.kafka.offsets import Partition

_RESET = "UPDATE telemetry_offset SET next = $4, updated = now() WHERE topic = $1 AND part = $2 AND next = $3"


class Next(NamedTuple):
    """The next offset of a partition, and the size of its records, lately."""

    offset: int
    record_bytes: float


async def load(connection: asyncpg.Connection, partitions: Collection[Partition]) -> dict[Partition, Next]:
    """The stored offsets of partitions, as far as there are any."""
    topics, numbers = [one.topic for one in partitions], [one.number for one in partitions]
    rows = await connection.fetch(
        "SELECT topic, part, next, record_bytes FROM telemetry_offset "
        "JOIN unnest($1::text[], $2::int[]) AS asked(t, p) "
        "ON topic = t AND part = p",
        topics,
        numbers,
    )
    return {Partition(row["topic"], row["part"]): Next(row["next"], row["record_bytes"]) for row in rows}


async def begin(connection: asyncpg.Connection, earliest: Mapping[Partition, int]) -> None:
    """Let partitions that are new begin at their first record."""
    await connection.executemany(
        "INSERT INTO telemetry_offset (topic, part, next) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        [(*partition, offset) for partition, offset in earliest.items()],
    )


async def reset(connection: asyncpg.Connection, partition: Partition, stored: int, earliest: int) -> None:
    """Begin a partition again whose topic was created again: its records end before the stored offset."""
    await connection.execute(_RESET, *partition, stored, earliest)
