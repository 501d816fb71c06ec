"""Detection on stored rows: which windows are complete, what they hold, and what became of anomalies."""

import asyncio
import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

import polars as pl

from prunella_operator import clock
from prunella_operator.telemetry.learnt import Learnt
from prunella_operator.telemetry.processing.carry import lost_so_far
from prunella_operator.telemetry.processing.items import WINDOW_NS
from prunella_operator.telemetry.processing.windows import build_windows
from prunella_operator.telemetry.store import anomalies, gate, stage, windows
from prunella_operator.telemetry.store.database import Database
from prunella_operator.telemetry.store.rows import NS
from prunella_workflows.contracts.telemetry import Batch, Detected
from prunella_workflows.decisions.telemetry.alerts import to_alerts
from prunella_workflows.decisions.telemetry.judgement import Judgement, States, judge
from prunella_workflows.model.alert_policy import AlertHandlingMode
from prunella_workflows.model.telemetry import Anomaly, ServiceRef
from prunella_workflows.model.telemetry_policy import DEFAULTS, TelemetryPolicy

_TABLES = {
    "red": ("red", "red.late"), "edge": ("edge", "edge.late"), "log": ("log",), "point": ("point",),
    "exemplar": ("exemplar",),
}  # fmt: skip
_STAGED = ("open", "carry.open", *(name for names in _TABLES.values() for name in names), *gate.COUNTS.values())
_OLDEST_NS = 300 * NS
"""Windows that ended longer before the newest one are not judged; those that ended longer ago cause no alert."""


class Detection:
    """Judges the windows that a batch completes, and stages what was learnt."""

    def __init__(self, database: Database, learnt: Learnt, parameters: TelemetryPolicy = DEFAULTS) -> None:
        self._database, self._learnt, self._parameters = database, learnt, parameters

    @property
    def lateness(self) -> float:
        """Seconds for which a window waits for late data."""
        return self._parameters.lateness or 0.0

    async def detect(self, batch: Batch) -> Detected:
        """Judge with the rows of the batch and of the database."""
        async with self._database.connection() as connection:
            bodies = await stage.get(connection, batch.id, _STAGED)
            states = await self._learnt.load(connection, batch.shard)
            others = await windows.read_watermark(connection, batch.shard)
            since, until = self._span(bodies, states, others)
            if since >= until:
                return Detected()
            stored = await windows.read_rows(connection, _time(since), _time(until))
        judgement = await asyncio.to_thread(self._judge, stored, bodies, (since, until), states)
        await self._stage(batch, judgement, until)
        reported = _without_backlog(_of_shard(judgement, batch), int(states.get("readTo", 0)) * NS, until)
        alerts = to_alerts(reported, self._parameters.mode or AlertHandlingMode.HEAL)
        return Detected(alerts=alerts, anomalies=len(judgement.ongoing), learning=judgement.learning)

    def _span(self, bodies: dict[str, bytes], states: States, others: datetime | None) -> tuple[int, int]:
        """The windows to judge, as times in ns: up to what all shards have completed."""
        newest = max((json.loads(bodies[name])["newest"] for name in gate.COUNTS.values() if name in bodies), default=0)
        complete = newest - int(self.lateness * NS)
        complete = min(complete, int(others.timestamp()) * NS) if others else complete
        until = complete // WINDOW_NS * WINDOW_NS
        return max(int(states.get("readTo", 0)) * NS, until - _OLDEST_NS), until

    def _judge(
        self, stored: dict[str, pl.DataFrame], bodies: dict[str, bytes], span: tuple[int, int], states: States
    ) -> Judgement:
        rows = {}
        for table, names in _TABLES.items():
            staged = [stage.unpack(bodies[name]) for name in names if name in bodies]
            columns = stored[table].columns
            rows[table] = pl.concat([stored[table], *(frame.select(columns) for frame in staged)], how="vertical")
        if (waiting := bodies.get("carry.open")) is not None:
            lost = lost_so_far(stage.unpack(waiting)).select(rows["edge"].columns)
            rows["edge"] = pl.concat([rows["edge"], lost], how="vertical")
        return judge(build_windows(rows, *span), states, self._parameters)

    async def _stage(self, batch: Batch, judgement: Judgement, until: int) -> None:
        own = _of_shard(judgement, batch)
        learnt = [one for one in judgement.learnt if _shard(one.ref, batch.shards) == batch.shard]
        changed = (*own.opened, *own.changed, *own.ended)
        bodies = {
            **self._learnt.keep(batch.shard, judgement.states),
            anomalies.ANOMALIES: stage.pack_json(anomalies.dump_anomalies(changed)),
            anomalies.BASELINES: stage.pack_json(anomalies.dump_baselines(learnt, _time(until))),
        }
        async with self._database.connection() as connection:
            await stage.put(connection, batch.id, bodies)


def _of_shard(judgement: Judgement, batch: Batch) -> Judgement:
    """The anomalies that this shard reports. Each shard judges all services, so that it finds origins in any."""

    def own(found: Iterable[Anomaly]) -> tuple[Anomaly, ...]:
        return tuple(one for one in found if _shard(one.subject, batch.shards) == batch.shard)

    return Judgement(
        states={},
        opened=own(judgement.opened),
        changed=own(judgement.changed),
        ended=own(judgement.ended),
        ongoing=own(judgement.ongoing),
    )


def _without_backlog(judgement: Judgement, since: int, until: int) -> Judgement:
    """Select the anomalies to report, of windows that were judged from `since` to `until` (ns).

    Records that waited in a Collector are new to Kafka. Old windows are learnt from and cause no alert; once
    windows are new again, all anomalies that last are reported.
    """
    oldest = int(clock.now().timestamp()) * NS - _OLDEST_NS
    if until < oldest:
        return replace(judgement, opened=(), changed=())
    return replace(judgement, opened=judgement.ongoing, changed=()) if since < oldest else judgement


def _shard(ref: ServiceRef, shards: int) -> int:
    return int.from_bytes(hashlib.sha256(str(ref).encode()).digest()[:4]) % shards


def _time(ns: int) -> datetime:
    return datetime.fromtimestamp(ns // NS, UTC)
