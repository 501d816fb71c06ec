"""Sweeper: resync the workflows of all active Incidents, so that a missed event costs half a minute, not a night.

It starts what was missed while Temporal was unavailable, and finds workflows that were terminated, or that a server
which lost its data has forgotten.
"""

from dataclasses import dataclass
from typing import NoReturn

import structlog

from prunella_operator import clock
from prunella_operator.incidents.sweeping import sweep_regularly
from prunella_operator.incidents.view import IncidentView
from prunella_operator.incidents.workflow_starter import WorkflowStarter
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.async_client import AsyncClient
from prunella_operator.observability import outcomes
from prunella_workflows.model.errors import Permanent

_NAME = "prunella.sweeper"
_log = structlog.get_logger(_NAME)

RESYNC_INTERVAL_SECONDS = 30.0


_SUSPENDED, _ASKED = "Suspended", "ApprovalNeeded"


@dataclass(frozen=True, slots=True)
class Sweeper:
    """Resyncs active incidents, in `namespaces` or in all."""

    rest: AsyncClient
    starter: WorkflowStarter
    namespaces: tuple[str, ...] = ()

    async def run(self) -> NoReturn:
        """Resync until cancelled."""
        later, failed = "incidents wait for the next resync", "cannot resync incidents"
        await sweep_regularly(self._resync_all, RESYNC_INTERVAL_SECONDS, _NAME, later=later, failed=failed)

    async def _resync_all(self) -> None:
        """Inactive ones are dropped as they are read: the cluster keeps hours of them, and memory must not."""
        now, active = clock.now(), list[IncidentView]()
        for namespace in self.namespaces or ("",):
            incidents = self.rest.each(paths.incidents(namespace), into=IncidentView)
            active += [incident async for incident in incidents if incident.is_active]
        outcomes.observe_open((one.status.phase, one.status.is_waiting, one.age(now)) for one in active)
        for incident in active:
            await self._resync_one(incident)

    async def _resync_one(self, incident: IncidentView) -> None:
        """An invalid incident must not hold up the others."""
        try:
            await self.starter.start(incident)
            if _is_unanswered(incident):
                await self.starter.update(incident, before={"suspend": incident.status.reason == _SUSPENDED})
            await self.starter.update_escalation(incident)
        except Permanent as error:
            _log.error("cannot start the workflow", incident=incident.metadata.name, error=str(error))


def _is_unanswered(incident: IncidentView) -> bool:
    """Report whether the status does not show yet what a person wants: its event was missed.

    Each signal changes the reason, so that none is repeated for long. A new suspension needs none: every write looks.
    """
    reason, spec = incident.status.reason, incident.spec
    approved = reason == _ASKED and bool(spec.get("approval"))
    resumed = reason == _SUSPENDED and not spec.get("suspend")
    return not incident.closed and (incident.is_cancelled or approved or resumed)
