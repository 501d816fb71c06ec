"""Intake: accept Signals at once and open their Incidents in the background, once each.

A signal waits here until the API server has its incident. A lost process loses nothing: after a restart the sources
report everything that is unhealthy again.
"""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import partial
from typing import NoReturn

import structlog

from prunella_operator import clock
from prunella_operator.incidents import deduplication
from prunella_operator.incidents.deduplication import Earlier
from prunella_operator.incidents.opener import IncidentOpener
from prunella_operator.incidents.view import IncidentView
from prunella_operator.kubernetes.async_client import AsyncClient
from prunella_operator.observability import metrics
from prunella_workflows.model.errors import NotFound, Permanent, Retryable
from prunella_workflows.model.signal import Signal
from prunella_workflows.model.workload import is_protected_namespace

_log = structlog.get_logger("prunella.intake")

_WORKERS = 8
_BACKOFF_SECONDS = (0.2, 5.0)  # the first pause and the longest


@dataclass(slots=True)
class Intake:
    """Accepts signals and opens their incidents. Use `run` in the same event loop."""

    rest: AsyncClient
    protected: tuple[str, ...] = ()
    _opener: IncidentOpener = field(init=False)
    _queue: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    _pending: dict[str, Signal] = field(default_factory=dict)
    _busy: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._opener = IncidentOpener(self.rest)

    def accept(self, signal: Signal) -> None:
        """Enqueue a signal. Pending signals of the same owner are coalesced; the first one wins."""
        if signal.ignored or is_protected_namespace(signal.namespace, self.protected):
            self._count(signal, "ignored")
            return
        key = signal.owner.uid if signal.owner else signal.uid
        if key in self._pending:
            self._count(signal, "joined")
            return
        self._pending[key] = signal
        if key not in self._busy:  # one at a time per workload: the second must see the first one's incident
            self._queue.put_nowait(key)

    @property
    def backlog(self) -> int:
        """The number of signals whose incident is not in the API yet."""
        return len(self._pending) + len(self._busy)

    async def run(self) -> NoReturn:
        """Open incidents until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(_WORKERS):
                group.create_task(self._work())
        raise AssertionError("workers end by cancellation only")

    async def _work(self) -> NoReturn:
        while True:
            key = await self._queue.get()
            self._busy.add(key)
            try:
                signal = self._pending.pop(key)
                self._count(signal, await self._open_with_retries(signal))
            finally:
                self._busy.discard(key)
                if key in self._pending:
                    self._queue.put_nowait(key)

    async def _open_with_retries(self, signal: Signal) -> str:
        pause, max_pause = _BACKOFF_SECONDS
        while True:
            try:
                return await self.open(signal)
            except Retryable as error:
                _log.warning("cannot open the incident yet", signal=signal.name, error=str(error), retry_in=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, max_pause)
            except Permanent as error:
                _log.error("cannot open the incident", signal=signal.name, error=str(error))
                return "refused"

    async def open(self, signal: Signal) -> str:
        """Open the incident of a signal unless one covers it; return what became of the signal, for the metric."""
        try:
            subject = await self._opener.find_subject(signal)
        except NotFound:
            return "gone"
        opening = await self._opener.open(signal, subject, partial(_find_covering, signal))
        return opening.outcome.value

    @staticmethod
    def _count(signal: Signal, outcome: str) -> None:
        metrics.SIGNALS.labels(signal.source, signal.type.value, outcome).inc()


def _find_covering(signal: Signal, faults: Collection[str], earlier: Earlier) -> IncidentView | None:
    """The incident that a signal joins."""
    if deduplication.predates_repair(signal.fault_at, earlier):
        return deduplication.latest(earlier)
    return deduplication.find_covering_incident(earlier, faults, signal.type, clock.now())
