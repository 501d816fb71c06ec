"""Incidents whose objects were deleted, read from their completed workflows within Temporal's retention."""

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
_MAX_CONCURRENT_READS = 10
_TIMEOUT_SECONDS = 120.0


def read_archived(settings: Settings, since: datetime, known: Collection[str]) -> Sequence[Incident]:
    """The closed incidents since then whose uids are not `known`. Raises TemporalUnavailable."""
    return asyncio.run(_connect_and_read(settings, since, known))


async def _connect_and_read(settings: Settings, since: datetime, known: Collection[str]) -> Sequence[Incident]:
    client = await call(connect(settings, lazy=False), _TIMEOUT_SECONDS)
    return await call(read_workflows(client, since, known), _TIMEOUT_SECONDS)


async def read_workflows(client: Client, since: datetime, known: Collection[str]) -> Sequence[Incident]:
    """List the workflows, then read the input and the result of each."""
    known_ids = {workflow_id(uid) for uid in known}
    runs = [run async for run in client.list_workflows(_QUERY.format(since=since)) if run.id not in known_ids]
    slots = asyncio.Semaphore(_MAX_CONCURRENT_READS)

    async def read(run: WorkflowExecution) -> Incident:
        async with slots:
            return await _read_incident(client, run)

    return await asyncio.gather(*map(read, runs))


async def _read_incident(client: Client, run: WorkflowExecution) -> Incident:
    history = await client.get_workflow_handle(run.id, run_id=run.run_id).fetch_history()
    started = history.events[0].workflow_execution_started_event_attributes
    completed = history.events[-1].workflow_execution_completed_event_attributes
    (request,) = await client.data_converter.decode(started.input.payloads, [HealingRequest])
    (status,) = await client.data_converter.decode(completed.result.payloads, [IncidentStatus])
    ref = request.incident
    metadata = Metadata(name=ref.name, namespace=ref.namespace, uid=ref.uid, creation_timestamp=request.opened_at)
    return Incident(metadata=metadata, spec=request.spec, status=status)
