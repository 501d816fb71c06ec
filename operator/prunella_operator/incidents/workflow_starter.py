"""Healings: hands Incidents to their workflows and people's wishes to running ones.

The Incident is the queue: it waits there while Temporal is away, and `tend` finds what was missed, whose workflow
was terminated, or whose server lost its data. Starting twice is starting once.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from typing import NoReturn, TypeVar

import structlog
from pydantic import ValidationError
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from prunella_operator import clock
from prunella_operator.incidents.deduplication import phase_of
from prunella_operator.incidents.open_incident import OpenIncident
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import MERGE_PATCH, Object
from prunella_operator.kubernetes.async_client import AsyncClient, allow_writes
from prunella_operator.kubernetes.views.workloads import noted_time
from prunella_operator.observability import metrics, outcomes, tracing
from prunella_operator.temporal import rpc
from prunella_operator.temporal.rpc import TemporalUnavailable
from prunella_workflows.contracts.healing import HealingRequest, workflow_id
from prunella_workflows.escalation.workflow import Escalation, escalation_id
from prunella_workflows.healing.workflow import SelfHealing
from prunella_workflows.model import labels
from prunella_workflows.model.errors import Conflict, InvalidIncident, NotFound, Permanent, Retryable
from prunella_workflows.model.incident import Acknowledgement, Approval, IncidentRef, IncidentSpec
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.temporal.tracing import TraceContext

_log = structlog.get_logger("prunella.healings")

T = TypeVar("T")

RESYNC_INTERVAL = 30.0
_START_TIMEOUT = 15.0
_LOST = {
    WorkflowExecutionStatus.TERMINATED: "its workflow was terminated",
    WorkflowExecutionStatus.FAILED: "its workflow failed",
    WorkflowExecutionStatus.TIMED_OUT: "its workflow timed out",
    WorkflowExecutionStatus.CANCELED: "its workflow was cancelled",
}


class WorkflowStarter:
    """Everything between an Incident object and its workflow. Belongs to one event loop."""

    def __init__(
        self,
        rest: AsyncClient,
        client: Client,
        task_queue: str,
        namespaces: tuple[str, ...] = (),
        may_act: Callable[[], None] = allow_writes,
    ) -> None:
        self._may_act = may_act
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
            NotLeading: another operator may do this by now. The same goes for what follows.
        """
        self._may_act()
        if phase_of(incident).closed:
            return
        try:
            request = _request(incident)
        except InvalidIncident as error:
            await self._set_status(incident, Phase.FAILED, "InvalidIncident", str(error))
            raise
        try:
            await self._ask(self._start_traced(incident, request))
        except WorkflowAlreadyStartedError:
            await self._check_lost(incident)
        except TemporalUnavailable as error:
            if phase_of(incident) is Phase.PENDING:  # else its workflow has begun, and tells the story
                await self._set_status(incident, Phase.PENDING, "TemporalUnavailable", str(error))
            raise
        metrics.INCIDENTS_STARTED.labels("started").inc()

    async def _start_traced(self, incident: Object, request: HealingRequest) -> None:
        """The workflow joins the trace of the fault's detection; one that a person opened begins its own here."""
        if (incident.get("status") or {}).get("workflow"):  # it runs: this is only to make sure
            await self._start(request)
            return
        attributes = {"prunella.incident.uid": request.incident.uid, "prunella.incident": request.incident.name}
        with tracing.span("incident:start", attributes, parent=trace_of(incident)):
            context = tracing.current()
            await self._start(request.model_copy(update={"trace_id": context.trace_id}) if context else request)

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
        """Pass a person's wishes on: a suspension, an answer, a cancellation. Repeating them is harmless.

        What stops comes before what lets go on: who suspends and then approves wants nothing changed yet.
        """
        self._may_act()
        if phase_of(incident).closed:
            await self._escalated(incident)
            return
        handle = self._client.get_workflow_handle(workflow_id(incident["metadata"]["uid"]))
        spec = incident.get("spec") or {}
        try:
            if _cancelled(incident):
                await self._ask(handle.cancel())
            await self._ask(handle.signal(SelfHealing.suspend, bool(spec.get("suspend"))))
            if spec.get("approval"):
                await self._ask(handle.signal(SelfHealing.approve, Approval.model_validate(spec["approval"])))
            if spec.get("acknowledged"):
                await self._ask(handle.signal(SelfHealing.acknowledge, _acknowledged(incident)))
        except NotFound:
            await self.start(incident)

    async def _escalated(self, incident: Object) -> None:
        """Of an incident that people have: pass on who takes over, or that nobody need come."""
        note = _told(incident)
        if note is None:
            return
        handle = self._client.get_workflow_handle(escalation_id(incident["metadata"]["uid"]))
        with suppress(NotFound):  # not started yet: `tend` comes back to it
            if (incident.get("spec") or {}).get("acknowledged") and not note.get("acknowledgedAt"):
                await self._ask(handle.signal(Escalation.acknowledge, _acknowledged(incident)))
            if _cancelled(incident):
                await self._ask(handle.cancel())

    async def deleted(self, uid: str) -> None:
        """Nobody waits for a deleted incident: its workflows stop, and what is half done is taken back."""
        self._may_act()
        for workflow in (workflow_id(uid), escalation_id(uid)):
            with suppress(NotFound):
                await self._ask(self._client.get_workflow_handle(workflow).cancel())

    async def resync(self) -> NoReturn:
        """Look after all open incidents again and again, so that a missed event costs half a minute, not a night."""
        while True:
            try:
                await self._resync_all()
            except Retryable as error:
                _log.info("incidents wait", reason=str(error))
            except Permanent as error:
                _log.error("incidents cannot be looked after", error=str(error))
            await asyncio.sleep(RESYNC_INTERVAL)

    async def _resync_all(self) -> None:
        """Those that are over are dropped as they are read: hours of them are kept in the cluster, and not here."""
        now, going_on = clock.now(), list[OpenIncident]()
        for namespace in self._namespaces or ("",):
            each = self._rest.each(paths.incidents(namespace), into=OpenIncident)
            going_on += [one async for one in each if one.is_active]
        outcomes.observe_open((one.phase, one.age(now)) for one in going_on)
        for one in going_on:
            await self._resync_one(one.built())

    async def _resync_one(self, incident: Object) -> None:
        """An incident that makes no sense keeps nobody else waiting."""
        try:
            await self.start(incident)
            await self._escalated(incident)
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
        """One call to Temporal; `temporal_error` tells whether it was answered."""
        try:
            answer = await rpc.call(call, _START_TIMEOUT)
        except TemporalUnavailable as error:
            self.temporal_error = error.detail
            raise
        self.temporal_error = ""
        return answer


def trace_of(incident: Object) -> TraceContext | None:
    """The trace of the fault's detection, by the annotation that its source set."""
    return TraceContext.parse((incident["metadata"].get("annotations") or {}).get(labels.TRACEPARENT, ""))


def _cancelled(incident: Object) -> bool:
    return (incident["metadata"].get("annotations") or {}).get(labels.CANCEL) == "true"


def _acknowledged(incident: Object) -> Acknowledgement:
    """Who takes over. A time that is nonsense is no reason to call somebody else."""
    said = incident["spec"]["acknowledged"]
    return Acknowledgement(by=str(said.get("by") or "somebody"), at=noted_time(said.get("at")))


def _told(incident: Object) -> Object | None:
    """What is noted of an escalation that goes on."""
    note: Object | None = (incident.get("status") or {}).get("escalation")
    return note if note and not note.get("ended") else None


def _request(incident: Object) -> HealingRequest:
    meta = incident["metadata"]
    annotations = meta.get("annotations") or {}
    try:
        spec = IncidentSpec.model_validate(incident.get("spec") or {})
        return HealingRequest(
            incident=IncidentRef(namespace=meta["namespace"], name=meta["name"], uid=meta["uid"]),
            spec=spec,
            opened_at=datetime.fromisoformat(meta["creationTimestamp"]),
            detected_at=noted_time(annotations.get(labels.DETECTED_AT)),
            fault_at=noted_time(annotations.get(labels.FAULT_AT)),
            trace_id=parent.trace_id if (parent := trace_of(incident)) else "",
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidIncident(f"spec.{where}: {first['msg']}") from None
