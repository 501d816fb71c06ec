"""Recorded incidents, read from the histories of their workflows within Temporal's retention."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime

from temporalio.client import Client, WorkflowExecution, WorkflowHistory
from temporalio.converter import DataConverter

from prunella_operator.activities.recording import unpack
from prunella_operator.config.settings import Settings
from prunella_operator.reporting.proof.statement import make_statements
from prunella_operator.reporting.recorded_incident import RecordedDiagnosis, RecordedIncident
from prunella_operator.reporting.recorded_orders import read_work
from prunella_operator.temporal.client import connect
from prunella_operator.temporal.histories import completed_calls
from prunella_operator.temporal.rpc import call
from prunella_workflows.contracts.healing import DiagnoseReport, DiagnoseRequest, HealingRequest, workflow_id
from prunella_workflows.model.errors import InvalidIncident
from prunella_workflows.model.facts import Facts
from prunella_workflows.model.incident_status import IncidentStatus
from prunella_workflows.model.redaction import redact_texts

_ACTIVITY = "diagnose"
_MAX_CONCURRENT_READS = 10
_TIMEOUT_SECONDS = 120.0


def of_incident(uid: str) -> str:
    """The query for the workflow of one incident."""
    return f"WorkflowId = '{workflow_id(uid)}'"


def opened_since(since: datetime) -> str:
    """The query for the workflows of all incidents since a time."""
    return f"WorkflowType = 'SelfHealing' AND StartTime >= '{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}'"


Progress = Callable[[int, int], None]
"""Is called with the number of incidents that are read, and that of all."""


def _ignore(_done: int, _total: int) -> None:
    """Progress that is not shown."""


def read_recorded(settings: Settings, query: str, progress: Progress = _ignore) -> Sequence[RecordedIncident]:
    """The incidents whose workflows the query finds, oldest first. Raises TemporalUnavailable."""
    return asyncio.run(_connect_and_read(settings, query, progress))


async def _connect_and_read(settings: Settings, query: str, progress: Progress) -> Sequence[RecordedIncident]:
    client = await call(connect(settings, lazy=False), _TIMEOUT_SECONDS)
    return await read_workflows(client, query, progress)


async def read_workflows(client: Client, query: str, progress: Progress = _ignore) -> Sequence[RecordedIncident]:
    """List the workflows, then read the history of each; each of these has its own timeout, however many there are."""
    runs = sorted(await call(_list(client, query), _TIMEOUT_SECONDS), key=lambda run: run.start_time)
    slots, found = asyncio.Semaphore(_MAX_CONCURRENT_READS), dict[str, RecordedIncident]()

    async def read(run: WorkflowExecution) -> None:
        async with slots:
            handle = client.get_workflow_handle(run.id, run_id=run.run_id)
            history = await call(handle.fetch_history(), _TIMEOUT_SECONDS)
            found[str(run.run_id)] = await parse_history(client.data_converter, history)
        progress(len(found), len(runs))

    await asyncio.gather(*map(read, runs))
    return [found[str(run.run_id)] for run in runs]


async def _list(client: Client, query: str) -> list[WorkflowExecution]:
    return [run async for run in client.list_workflows(query)]


async def parse_history(converter: DataConverter, history: WorkflowHistory) -> RecordedIncident:
    """The incident of one workflow run: its input, its diagnoses, its writes, and its result if it has one."""
    first, last = history.events[0], history.events[-1]
    started = first.workflow_execution_started_event_attributes
    completed = last.workflow_execution_completed_event_attributes
    (request,) = await converter.decode(started.input.payloads, [HealingRequest])
    result = (
        await converter.decode(completed.result.payloads, [IncidentStatus]) if completed.result.payloads else [None]
    )
    diagnoses = tuple([diagnosis async for diagnosis in _diagnoses(converter, history)])
    facts = [redact_texts(diagnosis.to_compact().get("facts")) for diagnosis in diagnoses]
    return RecordedIncident(
        incident=request.incident,
        opened_at=request.opened_at,
        diagnoses=diagnoses,
        status=result[0],
        statements=make_statements(request.incident, facts, await read_work(converter, history.events)),
    )


async def _diagnoses(converter: DataConverter, history: WorkflowHistory) -> AsyncIterator[RecordedDiagnosis]:
    """Each call of the activity with its answer. What failed, or is under way, has none."""
    for made in completed_calls(history, _ACTIVITY):
        (request,) = await converter.decode(made.input.payloads, [DiagnoseRequest])
        (report,) = await converter.decode(made.result.payloads, [DiagnoseReport])
        facts = _facts(request, report)
        yield RecordedDiagnosis(
            at=made.at, request=request, facts=facts, report=report.model_copy(update={"record": ""})
        )


def _facts(request: DiagnoseRequest, report: DiagnoseReport) -> Facts | None:
    try:
        return unpack(report.record)
    except ValueError as error:
        raise InvalidIncident(f"{request.incident.namespace}/{request.incident.name}: {error}") from error
