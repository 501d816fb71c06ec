"""Incidents whose objects are gone: read back from their finished workflows, as long as Temporal keeps those."""

import asyncio
from collections.abc import Collection, Sequence
from datetime import datetime

from temporalio.client import Client, WorkflowExecution

from prunella_operator.config.settings import Settings
from prunella_operator.incidents.client import Incident, Metadata
from prunella_operator.temporal.client import connect
from prunella_operator.temporal.rpc import call
from prunella_workflows.contracts.healing import HealingRequest, workflow_id
from prunella_workflows.model.incident_status import IncidentStatus

_QUERY = "WorkflowType = 'SelfHealing' AND ExecutionStatus = 'Completed' AND StartTime >= '{since:%Y-%m-%dT%H:%M:%SZ}'"
_AT_ONCE = 10
_WITHIN = 120.0


def deleted_incidents(settings: Settings, since: datetime, known: Collection[str]) -> Sequence[Incident]:
    """The closed incidents since then whose uids are not `known`.

    Raises:
        TemporalUnavailable: it does not answer.
    """
    return asyncio.run(_deleted(settings, since, known))


async def _deleted(settings: Settings, since: datetime, known: Collection[str]) -> Sequence[Incident]:
    client = await call(connect(settings, lazy=False), _WITHIN)
    return await call(from_workflows(client, since, known), _WITHIN)


async def from_workflows(client: Client, since: datetime, known: Collection[str]) -> Sequence[Incident]:
    """Ask for the workflows, then for what each was started with and ended with."""
    ours = {workflow_id(uid) for uid in known}
    found = [
        workflow async for workflow in client.list_workflows(_QUERY.format(since=since)) if workflow.id not in ours
    ]
    turn = asyncio.Semaphore(_AT_ONCE)

    async def read(run: WorkflowExecution) -> Incident:
        async with turn:
            return await _incident(client, run)

    return await asyncio.gather(*map(read, found))


async def _incident(client: Client, run: WorkflowExecution) -> Incident:
    history = await client.get_workflow_handle(run.id, run_id=run.run_id).fetch_history()
    began = history.events[0].workflow_execution_started_event_attributes
    ended = history.events[-1].workflow_execution_completed_event_attributes
    (request,) = await client.data_converter.decode(began.input.payloads, [HealingRequest])
    (status,) = await client.data_converter.decode(ended.result.payloads, [IncidentStatus])
    who = request.incident
    metadata = Metadata(name=who.name, namespace=who.namespace, uid=who.uid, creation_timestamp=request.opened_at)
    return Incident(metadata=metadata, spec=request.spec, status=status)
