"""The stage: results of a batch's steps until it is stored. A step that is repeated replaces its results."""

import json
from collections.abc import Iterable, Mapping
from io import BytesIO
from typing import Any

import asyncpg
import polars as pl

_PUT = """
INSERT INTO telemetry_stage (batch, name, body) VALUES ($1, $2, $3)
ON CONFLICT (batch, name) DO UPDATE SET body = EXCLUDED.body
"""


def pack(frame: pl.DataFrame) -> bytes:
    """A frame as bytes: Arrow, compressed with zstd."""
    buffer = BytesIO()
    frame.write_ipc(buffer, compression="zstd")
    return buffer.getvalue()


def unpack(body: bytes) -> pl.DataFrame:
    """The frame of `pack`."""
    return pl.read_ipc(BytesIO(body))


def pack_json(value: Any) -> bytes:
    """JSON as bytes."""
    return json.dumps(value, separators=(",", ":")).encode()


async def put(connection: asyncpg.Connection, batch: str, bodies: Mapping[str, bytes]) -> None:
    """Replace results of a batch, all or none of them."""
    async with connection.transaction():
        await connection.executemany(_PUT, [(batch, name, body) for name, body in bodies.items()])


async def get(connection: asyncpg.Connection, batch: str, names: Iterable[str]) -> dict[str, bytes]:
    """The results of a batch that are there."""
    rows = await connection.fetch(
        "SELECT name, body FROM telemetry_stage WHERE batch = $1 AND name = ANY($2)", batch, list(names)
    )
    return {row["name"]: row["body"] for row in rows}


async def states(connection: asyncpg.Connection, shard: int, names: Iterable[str]) -> dict[str, bytes]:
    """The states that a shard carries from batch to batch, as far as there are any."""
    rows = await connection.fetch(
        "SELECT name, body FROM telemetry_state WHERE shard = $1 AND name = ANY($2)", shard, list(names)
    )
    return {row["name"]: row["body"] for row in rows}
