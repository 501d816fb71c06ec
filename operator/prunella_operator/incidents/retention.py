"""Retention: ended Incidents go after a while, so that etcd does not fill. Who leads does it; nobody else.

Never goes: an open Incident, one of which people are still being told, one that somebody marked to keep, and one that
ended so short a time ago that budgets, cooldowns and "is this still the same fault?" look at it.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple, NoReturn

import structlog
from msgspec import field

from prunella_operator import clock
from prunella_operator.config.settings import Settings
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.async_client import AsyncClient
from prunella_operator.kubernetes.decoding import WireStruct
from prunella_operator.observability import metrics
from prunella_workflows.model import labels
from prunella_workflows.model.errors import Conflict, NotFound, Permanent, Retryable
from prunella_workflows.model.incident_status import Phase

_log = structlog.get_logger("prunella.retention")

EVERY = 600.0
YOUNG = timedelta(hours=3)
"""Budgets look back one hour, and a fault that goes on shows itself within half of one."""

_PAUSE = 0.02  # seconds between two deletions: somebody else may need the API server more
_FOR_PEOPLE = frozenset({Phase.ESCALATED, Phase.FAILED})
_ALWAYS = "true"


class Labels(WireStruct, frozen=True):
    """The labels that count here."""

    workload: str = field(name=labels.WORKLOAD, default="")
    keep: str = field(name=labels.KEEP, default="")


class Metadata(WireStruct, frozen=True):
    """Which Incident it is."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    creation_timestamp: datetime
    labels: Labels = Labels()


class Times(WireStruct, frozen=True):
    """When it ended."""

    closed_at: datetime | None = None


class Note(WireStruct, frozen=True):
    """Whether people are told no more."""

    ended: str = ""


class Status(WireStruct, frozen=True):
    """How it stands."""

    phase: Phase = Phase.PENDING
    target: str = ""
    times: Times = Times()
    escalation: Note | None = None


class Incident(WireStruct, frozen=True):
    """An Incident, as far as it counts here."""

    metadata: Metadata
    status: Status = Status()

    @property
    def ended(self) -> datetime | None:
        """When it was over for everybody; None while it is not."""
        told = self.status.escalation
        if not self.status.phase.closed or (told is not None and not told.ended):
            return None
        return self.status.times.closed_at or self.metadata.creation_timestamp

    @property
    def workload(self) -> str:
        """The same for all Incidents of one workload."""
        return self.metadata.labels.workload or f"{self.metadata.namespace}/{self.status.target}"


class Limits(NamedTuple):
    """What is kept."""

    healed: timedelta
    for_people: timedelta
    per_workload: int
    at_most: int

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        """As the settings say."""
        return cls(
            timedelta(hours=settings.keep_healed_hours),
            timedelta(hours=settings.keep_escalated_hours),
            settings.keep_per_workload,
            settings.keep_incidents,
        )


class Goes(NamedTuple):
    """An Incident that goes, and why: Age, PerWorkload or AtMost."""

    incident: Incident
    why: str


def who_goes(incidents: Iterable[Incident], limits: Limits, now: datetime) -> Iterator[Goes]:
    """The ended Incidents that are not kept, each once. Of too many the ones that ended first go."""
    everything = tuple(incidents)
    ended = [(at, one) for one in everything if (at := one.ended) is not None and now - at > YOUNG]
    ended = [(at, one) for at, one in ended if one.metadata.labels.keep != _ALWAYS]
    ended.sort(key=lambda pair: pair[0], reverse=True)
    seen: dict[str, int] = defaultdict(int)
    kept = len(everything) - len(ended)
    for at, one in ended:
        seen[one.workload] += 1
        why = _why(one, now - at, limits, seen[one.workload], kept)
        if why:
            yield Goes(one, why)
        else:
            kept += 1


def _why(incident: Incident, age: timedelta, limits: Limits, place: int, kept: int) -> str:
    if age > (limits.for_people if incident.status.phase in _FOR_PEOPLE else limits.healed):
        return "Age"
    if place > limits.per_workload:
        return "PerWorkload"
    return "AtMost" if kept >= limits.at_most else ""


class Retention:
    """Looks at all Incidents now and then, and deletes those that are not kept."""

    def __init__(self, rest: AsyncClient, limits: Limits, namespaces: tuple[str, ...] = ()) -> None:
        self._rest = rest
        self._limits = limits
        self._namespaces = namespaces

    async def run(self) -> NoReturn:
        """Keep to the limits until cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            try:
                await self.sweep()
            except Retryable as error:
                _log.info("ended incidents stay for now", reason=str(error))
            except Permanent as error:
                _log.error("ended incidents cannot be deleted, and etcd fills", error=str(error))

    async def sweep(self) -> int:
        """Delete what goes; how many that were."""
        incidents = [
            one
            for namespace in self._namespaces or ("",)
            for one in await self._rest.list(paths.incidents(namespace), into=Incident)
        ]
        gone = 0
        for one, why in who_goes(incidents, self._limits, clock.now()):
            gone += await self._delete(one.metadata, why)
            await asyncio.sleep(_PAUSE)
        if gone:
            _log.info("ended incidents deleted", number=gone, left=len(incidents) - gone)
        return gone

    async def _delete(self, which: Metadata, why: str) -> bool:
        """Exactly the object that was looked at: one that was written to since is looked at again the next time."""
        seen = {"uid": which.uid, "resourceVersion": which.resource_version}
        try:
            await self._rest.delete(paths.incidents(which.namespace, which.name), seen)
        except (NotFound, Conflict):
            return False
        metrics.INCIDENTS_REMOVED.labels(why).inc()
        return True
