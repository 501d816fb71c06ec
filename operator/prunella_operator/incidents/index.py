"""The incidents of some scopes in memory, as summaries that watches keep up to date."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from threading import Thread

from prunella_operator.incidents.summary import IncidentSummary
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.access import Access
from prunella_operator.kubernetes.watch.resource import Resource, Scope, WatchStats, WatchTimings
from prunella_operator.kubernetes.watch.watch import Watch
from prunella_workflows.model.errors import Unavailable

INCIDENTS = Resource(paths.API, "incidents", "Incident", IncidentSummary)
_SMALL_PAGES = WatchTimings(page_size=50)  # an Incident has 6 KB and more, and a page is held as a whole
_FIRST_LIST_SECONDS, _POLL_SECONDS = 10.0, 0.02


@dataclass(slots=True)
class IncidentIndex:
    """The incidents of scopes that do not overlap. `version` grows with each change.

    It may be read in another thread than it runs in.
    """

    access: Access
    scopes: tuple[Scope, ...] = (Scope(),)
    timings: WatchTimings = _SMALL_PAGES
    version: int = 0
    _stats: tuple[WatchStats, ...] = field(init=False)
    _known: dict[str, IncidentSummary] = field(default_factory=dict)
    _listed: tuple[int, tuple[IncidentSummary, ...]] = (0, ())  # the version, and the incidents as of it

    def __post_init__(self) -> None:
        self._stats = tuple(WatchStats() for _ in self.scopes)

    @property
    def synced(self) -> bool:
        """True once the first list of each scope was read."""
        return all(stats.synced for stats in self._stats)

    def problem(self) -> str:
        """Why changes may be missing; "" when none are."""
        return next(filter(None, (stats.problem() for stats in self._stats)), "")

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            for scope, stats in zip(self.scopes, self._stats, strict=True):
                group.create_task(Watch(self.access, INCIDENTS, self, scope, self.timings, stats).run())

    def on_upsert(self, obj: IncidentSummary, _at: datetime) -> None:
        """Keep it in its latest form."""
        self._known[obj.metadata.uid] = obj
        self.version += 1

    def on_delete(self, uid: str, _at: datetime) -> None:
        """Forget it."""
        if self._known.pop(uid, None) is not None:
            self.version += 1

    def all(self) -> Sequence[IncidentSummary]:
        """The incidents, oldest first. Raises Unavailable while changes may be missing."""
        if problem := self.problem():
            raise Unavailable(f"the list of incidents is not up to date: {problem}")
        if self._listed[0] != (version := self.version):
            self._listed = version, tuple(sorted(self._known.values(), key=_age_key))
        return self._listed[1]


@contextmanager
def watching(access: Access, scope: Scope) -> Iterator[IncidentIndex]:
    """An index that a thread keeps up to date. Its first list is read, unless that takes ten seconds."""
    index, runner = IncidentIndex(access, (scope,)), asyncio.Runner(loop_factory=asyncio.new_event_loop)
    loop, ready = runner.get_loop(), time.monotonic() + _FIRST_LIST_SECONDS
    work = loop.create_task(index.run())
    thread = Thread(target=_run_until_cancelled, args=(runner, work), daemon=True)
    thread.start()
    try:
        while not index.synced and time.monotonic() < ready:
            time.sleep(_POLL_SECONDS)
        yield index
    finally:
        loop.call_soon_threadsafe(work.cancel)
        thread.join()


def _run_until_cancelled(runner: asyncio.Runner, work: asyncio.Task[None]) -> None:
    with runner, suppress(asyncio.CancelledError):
        runner.get_loop().run_until_complete(work)


def _age_key(incident: IncidentSummary) -> tuple[datetime, str, str]:
    return incident.metadata.creation_timestamp, incident.namespace, incident.name
