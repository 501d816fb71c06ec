"""The states of the detectors of a shard, from batch to batch."""

import json
import secrets

import asyncpg

from prunella_operator.telemetry.store import stage
from prunella_workflows.decisions.telemetry.judgement import States

STATES, VERSION = "detector", "detector.version"
"""Names of the states, and of a random text that names them."""


class Learnt:
    """The states of each shard: stored with its batches, and kept here for the next one.

    All series change with each batch, so the states are written as a whole. They are read only if what is stored is not
    what this worker wrote last: after a start, after another worker's batch, and after an attempt that stored nothing.
    The version is written in the same transaction as the states, behind the gate, and no two attempts share one.
    """

    def __init__(self) -> None:
        self._latest: dict[int, tuple[bytes, States]] = {}

    async def load(self, connection: asyncpg.Connection, shard: int) -> States:
        """The stored states, which a judgement leaves as they are."""
        kept, states = self._latest.get(shard, (None, {}))
        if kept is not None and kept == (await stage.states(connection, shard, [VERSION])).get(VERSION):
            return states
        found: States = json.loads((await stage.states(connection, shard, [STATES])).get(STATES, b"{}"))
        return found

    def keep(self, shard: int, states: States) -> dict[str, bytes]:
        """Keep the states, and name them for the stage."""
        version = secrets.token_bytes(16)
        self._latest[shard] = version, states
        return {STATES: stage.pack_json(states), VERSION: version}
