"""Retention: delete closed Incidents after a while, so that etcd does not fill. Only the leader does it.

Never deleted: an open Incident, one whose escalation still notifies people, for as long as an escalation can, one
labelled to be kept, and one closed so recently that budgets, cooldowns and deduplication read it.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple, NoReturn

import structlog

from prunella_operator import clock
from prunella_operator.config.settings import Settings
from prunella_operator.incidents.sweeping import sweep_regularly
from prunella_operator.incidents.view import IncidentHead, Metadata
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.async_client import AsyncClient
from prunella_operator.observability import metrics
from prunella_workflows.escalation.workflow import ESCALATION_LIMIT
from prunella_workflows.model.errors import Conflict, NotFound
from prunella_workflows.model.incident_status import Phase

_NAME = "prunella.retention"
_log = structlog.get_logger(_NAME)

SWEEP_INTERVAL_SECONDS = 600.0
MIN_AGE = timedelta(hours=3)
"""Budgets look back one hour, and a fault that persists is seen again within half an hour."""
MAX_ESCALATION = ESCALATION_LIMIT + timedelta(days=1)
"""An escalation that has not ended by then has lost its workflow: its end will never be written."""
_DELETE_INTERVAL_SECONDS = 0.02  # leaves the API server to more urgent requests
_FOR_PEOPLE = frozenset({Phase.ESCALATED, Phase.FAILED})


class Limits(NamedTuple):
    """The age up to which incidents are kept, by their end, and their number per workload and in all."""

    healed: timedelta
    for_people: timedelta
    per_workload: int
    total: int

    @classmethod
    def from_settings(cls, settings: Settings) -> "Limits":
        """Read them."""
        ages = (settings.keep_healed_hours, settings.keep_escalated_hours)
        healed, for_people = (timedelta(hours=hours) for hours in ages)
        return cls(healed, for_people, settings.keep_per_workload, settings.keep_incidents)


class Expired(NamedTuple):
    """An Incident to delete and the reason: Age, PerWorkload or AtMost."""

    incident: IncidentHead
    reason: str


def find_expired(incidents: Iterable[IncidentHead], limits: Limits, now: datetime) -> Iterator[Expired]:
    """The closed Incidents that are not kept, each once. Beyond a number the ones closed first are deleted first."""
    everything = tuple(incidents)
    closed = [(at, incident) for incident in everything if (at := _closed_at(incident, now)) and now - at > MIN_AGE]
    closed = [(at, incident) for at, incident in closed if incident.metadata.labels.keep != "true"]
    closed.sort(key=lambda pair: pair[0], reverse=True)
    seen: dict[str, int] = defaultdict(int)
    kept = len(everything) - len(closed)
    for at, incident in closed:
        workload = _workload(incident)
        seen[workload] += 1
        reason = _reason(incident, now - at, limits, seen[workload], kept)
        if reason:
            yield Expired(incident, reason)
        else:
            kept += 1


def _closed_at(incident: IncidentHead, now: datetime) -> datetime | None:
    """The time at which it was closed; None while it is open, or people are still being notified."""
    at = incident.status.times.closed_at or incident.metadata.creation_timestamp
    escalates = incident.escalating and now - at <= MAX_ESCALATION
    return at if incident.closed and not escalates else None


def _workload(incident: IncidentHead) -> str:
    """The same for all Incidents of one workload."""
    return incident.metadata.labels.workload or f"{incident.metadata.namespace}/{incident.status.target}"


def _reason(incident: IncidentHead, age: timedelta, limits: Limits, place: int, kept: int) -> str:
    if age > (limits.for_people if incident.status.phase in _FOR_PEOPLE else limits.healed):
        return "Age"
    if place > limits.per_workload:
        return "PerWorkload"
    return "AtMost" if kept >= limits.total else ""


class Retention:
    """Deletes the Incidents that are not kept, in `namespaces` or in all."""

    def __init__(self, rest: AsyncClient, limits: Limits, namespaces: tuple[str, ...] = ()) -> None:
        self._rest = rest
        self._limits = limits
        self._namespaces = namespaces

    async def run(self) -> NoReturn:
        """Enforce the limits until cancelled."""
        later, failed = "closed incidents are deleted later", "cannot delete closed incidents; etcd usage will grow"
        await asyncio.sleep(SWEEP_INTERVAL_SECONDS)
        await sweep_regularly(self.sweep, SWEEP_INTERVAL_SECONDS, _NAME, later=later, failed=failed)

    async def sweep(self) -> int:
        """Delete what expired; return the number of deleted incidents."""
        incidents = [
            incident
            for namespace in self._namespaces or ("",)
            for incident in await self._rest.list(paths.incidents(namespace), into=IncidentHead)
        ]
        deleted = 0
        for incident, reason in find_expired(incidents, self._limits, clock.now()):
            deleted += await self._delete(incident.metadata, reason)
            await asyncio.sleep(_DELETE_INTERVAL_SECONDS)
        if deleted:
            _log.info("closed incidents deleted", number=deleted, left=len(incidents) - deleted)
        return deleted

    async def _delete(self, meta: Metadata, reason: str) -> bool:
        """Delete exactly the object that was read. If it was written to since, the next sweep decides again."""
        try:
            await self._rest.delete(paths.incidents(meta.namespace, meta.name), meta.preconditions)
        except (NotFound, Conflict):
            return False
        metrics.INCIDENTS_REMOVED.labels(reason).inc()
        return True
