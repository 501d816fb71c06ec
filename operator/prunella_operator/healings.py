"""Healings: hands Incidents to their workflows and people's wishes to running ones.

The Incident is the queue: it waits there while Temporal is away, and `tend` finds what was missed, whose workflow
was terminated, or whose server lost its data. Starting twice is starting once.
"""

import asyncio
from collections.abc import Awaitable
from datetime import datetime
from typing import NoReturn, TypeVar

import structlog
from pydantic import ValidationError
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from prunella_operator import clock
from prunella_operator.cluster import paths
from prunella_operator.cluster.port import MERGE_PATCH, Object
from prunella_operator.cluster.rest import Rest
from prunella_operator.telemetry import metrics
from prunella_workflows.contract import HealingRequest, workflow_id
from prunella_workflows.errors import Conflict, InvalidIncident, NotFound, Permanent, Retryable, Unavailable
from prunella_workflows.healing import SelfHealing
from prunella_workflows.model.incident import Approval, IncidentRef, IncidentSpec, Phase

_log = structlog.get_logger("prunella.healings")

T = TypeVar("T")

TEND_EVERY = 30.0
_START_TIMEOUT = 15.0
_LOST = {
    WorkflowExecutionStatus.TERMINATED: "its workflow was terminated",
    WorkflowExecutionStatus.FAILED: "its workflow failed",
    WorkflowExecutionStatus.TIMED_OUT: "its workflow timed out",
    WorkflowExecutionStatus.CANCELED: "its workflow was cancelled",
}


class TemporalUnavailable(Unavailable):
    """Temporal does not answer; the incident waits in the API until it does."""


class Healings:
    """Everything between an Incident object and its workflow. Belongs to one event loop."""

    def __init__(self, rest: Rest, client: Client, task_queue: str, namespaces: tuple[str, ...] = ()) -> None:
        self._rest = rest
        self._client = client
        self._task_queue = task_queue
        self._namespaces = namespaces
        self.temporal_error = ""

    async def start(self, incident: Object) -> None:
        """Start the workflow of an open incident, or find it started.

        Raises:
            InvalidIncident: the incident makes no sense; its status says so.
            TemporalUnavailable: try again; the status says that it waits.
        """
        if phase_of(incident).closed:
            return
        try:
            request = _request(incident)
        except InvalidIncident as error:
            await self._set_status(incident, Phase.FAILED, "InvalidIncident", str(error))
            raise
        try:
            await self._ask(self._start(request))
        except WorkflowAlreadyStartedError:
            await self._check_lost(incident)
        except TemporalUnavailable as error:
            if phase_of(incident) is Phase.PENDING:  # else its workflow has begun, and tells the story
                await self._set_status(incident, Phase.PENDING, "TemporalUnavailable", str(error))
            raise
        metrics.INCIDENTS_STARTED.labels("started").inc()

    async def _start(self, request: HealingRequest) -> None:
        await self._client.start_workflow(
            SelfHealing.run,
            request,
            id=workflow_id(request.incident.uid),
            task_queue=self._task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            static_summary=f"{request.incident.namespace}/{request.incident.name}",
        )

    async def changed(self, incident: Object) -> None:
        """Pass a person's wishes on: an answer, a suspension, a cancellation. Repeating them is harmless."""
        if phase_of(incident).closed:
            return
        handle = self._client.get_workflow_handle(workflow_id(incident["metadata"]["uid"]))
        spec = incident.get("spec") or {}
        try:
            if spec.get("approval"):
                await self._ask(handle.signal(SelfHealing.approve, Approval.model_validate(spec["approval"])))
            await self._ask(handle.signal(SelfHealing.suspend, bool(spec.get("suspend"))))
            if (incident["metadata"].get("annotations") or {}).get(paths.CANCEL) == "true":
                await self._ask(handle.cancel())
        except NotFound:
            await self.start(incident)

    async def deleted(self, uid: str) -> None:
        """Nobody waits for a deleted incident: its workflow stops and takes back what is half done."""
        try:
            await self._ask(self._client.get_workflow_handle(workflow_id(uid)).cancel())
        except NotFound:
            return

    async def tend(self) -> NoReturn:
        """Look after all open incidents again and again, so that a missed event costs half a minute, not a night."""
        while True:
            try:
                for namespace in self._namespaces or ("",):
                    for incident in await self._rest.list(paths.incidents(namespace), into=Object):
                        await self._tend_one(incident)
            except Retryable as error:
                _log.info("incidents wait", reason=str(error))
            except Permanent as error:
                _log.error("incidents cannot be looked after", error=str(error))
            await asyncio.sleep(TEND_EVERY)

    async def _tend_one(self, incident: Object) -> None:
        """An incident that makes no sense keeps nobody else waiting."""
        try:
            await self.start(incident)
        except Permanent as error:
            _log.error("an incident cannot be started", incident=incident["metadata"]["name"], error=str(error))

    async def probe(self) -> None:
        """Ask Temporal whether it serves; `temporal_error` tells the answer."""
        try:
            await self._ask(self._client.service_client.check_health())
        except TemporalUnavailable:
            return

    async def _check_lost(self, incident: Object) -> None:
        """An open incident whose workflow has ended without closing it will never be healed: say so."""
        handle = self._client.get_workflow_handle(workflow_id(incident["metadata"]["uid"]))
        status = (await self._ask(handle.describe())).status
        if status not in _LOST:
            return
        live = await self._rest.get(paths.incidents(incident["metadata"]["namespace"], incident["metadata"]["name"]))
        if not phase_of(live).closed:
            message = f"{_LOST[status]}; look at what it left behind, then open a new incident"
            await self._set_status(live, Phase.FAILED, "WorkflowLost", message)

    async def _set_status(self, incident: Object, phase: Phase, reason: str, message: str) -> None:
        """The only status written outside the workflow: where there is none to write it. A later writer knows more."""
        status = incident.get("status") or {}
        if (status.get("phase"), status.get("reason")) == (phase.value, reason):
            return
        meta = incident["metadata"]
        now = clock.now().isoformat()
        body: Object = {"phase": phase.value, "reason": reason, "message": message[:1000]}
        if phase.closed:
            body["times"] = {"closedAt": now}
            body["conditions"] = [
                {
                    "type": "Succeeded",
                    "status": "False",
                    "reason": "Failed",
                    "message": message[:1000],
                    "lastTransitionTime": now,
                }
            ]
        try:
            path = f"{paths.incidents(meta['namespace'], meta['name'])}/status"
            seen = {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}
            await self._rest.patch(path, {"metadata": seen, "status": body}, MERGE_PATCH)
        except (NotFound, Conflict):
            return

    async def _ask(self, call: Awaitable[T]) -> T:
        """One call to Temporal with a time-out, its errors as ours.

        A cancellation may come out as an error of the client, or get lost in an answer: it is raised again.
        """
        try:
            async with asyncio.timeout(_START_TIMEOUT):
                answer = await call
        except RPCError as error:
            _stay_cancelled()
            if error.status is RPCStatusCode.NOT_FOUND:
                raise NotFound(error.message) from error
            self.temporal_error = error.message
            raise TemporalUnavailable(f"Temporal: {error.message}") from error
        except (TimeoutError, RuntimeError) as error:
            _stay_cancelled()
            self.temporal_error = str(error) or "no answer"
            raise TemporalUnavailable(f"Temporal does not answer: {error}") from error
        _stay_cancelled()
        self.temporal_error = ""
        return answer


def _stay_cancelled() -> None:
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def phase_of(incident: Object) -> Phase:
    """Where an incident stands; one without a status is Pending."""
    return Phase((incident.get("status") or {}).get("phase") or Phase.PENDING)


def _request(incident: Object) -> HealingRequest:
    meta = incident["metadata"]
    annotations = meta.get("annotations") or {}
    try:
        spec = IncidentSpec.model_validate(incident.get("spec") or {})
        return HealingRequest(
            incident=IncidentRef(namespace=meta["namespace"], name=meta["name"], uid=meta["uid"]),
            spec=spec,
            opened_at=datetime.fromisoformat(meta["creationTimestamp"]),
            detected_at=_time(annotations.get(paths.DETECTED_AT)),
            fault_at=_time(annotations.get(paths.FAULT_AT)),
            trace_id=annotations.get(paths.TRACE_ID, ""),
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidIncident(f"spec.{where}: {first['msg']}") from None


def _time(text: str | None) -> datetime | None:
    """A time somebody wrote into an annotation; nonsense there is no reason not to heal."""
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
