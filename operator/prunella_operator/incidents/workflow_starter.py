"""WorkflowStarter: start the workflows of Incidents, and signal to running ones what people changed.

The Incident is the queue: it waits there while Temporal is unavailable (see `sweeper`). Starting twice starts once.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from pydantic import ValidationError
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from prunella_operator import clock
from prunella_operator.incidents.view import IncidentView
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import MERGE_PATCH, Object
from prunella_operator.kubernetes.async_client import AsyncClient, allow_writes
from prunella_operator.kubernetes.times import parse_annotation_time
from prunella_operator.observability import metrics, tracing
from prunella_operator.temporal import rpc
from prunella_workflows.contracts.healing import HealingRequest, workflow_id
from prunella_workflows.escalation.workflow import Escalation, escalation_id
from prunella_workflows.healing.workflow import SelfHealing
from prunella_workflows.model.errors import Conflict, InvalidIncident, NotFound
from prunella_workflows.model.incident import Acknowledgement, Approval, IncidentSpec
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.model.trace_context import TraceContext
from prunella_workflows.model.validation import first_error

T = TypeVar("T")

_REQUEST_TIMEOUT_SECONDS = 15.0
_MAX_MESSAGE = 1000  # characters
_LOST = {
    WorkflowExecutionStatus.TERMINATED: "its workflow was terminated",
    WorkflowExecutionStatus.FAILED: "its workflow failed",
    WorkflowExecutionStatus.TIMED_OUT: "its workflow timed out",
    WorkflowExecutionStatus.CANCELED: "its workflow was cancelled",
}


class WorkflowStarter:
    """Starts, signals and cancels the workflows of Incidents. Belongs to one event loop."""

    def __init__(
        self, rest: AsyncClient, client: Client, task_queue: str, may_act: Callable[[], None] = allow_writes
    ) -> None:
        self._may_act = may_act
        self._rest = rest
        self._client = client
        self._task_queue = task_queue
        self.temporal_error = ""

    async def start(self, incident: IncidentView) -> None:
        """Start the workflow of an open incident, or find it started.

        Raises InvalidIncident or TemporalUnavailable, and its status says so; as all methods here, NotLeader.
        """
        self._may_act()
        if incident.closed:
            return
        try:
            request = _request(incident)
        except InvalidIncident as error:
            await self._set_status(incident, Phase.FAILED, "InvalidIncident", str(error))
            raise
        try:
            await self._call(self._start_traced(incident, request))
        except WorkflowAlreadyStartedError:
            await self._check_lost(incident)
        except rpc.TemporalUnavailable as error:
            if incident.status.phase is Phase.PENDING:  # else its workflow runs, and owns the status
                await self._set_status(incident, Phase.PENDING, "TemporalUnavailable", str(error))
            raise
        metrics.INCIDENTS_STARTED.labels("started").inc()

    async def _start_traced(self, incident: IncidentView, request: HealingRequest) -> None:
        """The workflow joins the trace of the fault's detection; an incident that a person opened begins a new one."""
        if incident.status.workflow:  # it runs: this only makes sure
            await self._start(request)
            return
        attributes = {"prunella.incident.uid": request.incident.uid, "prunella.incident": request.incident.name}
        with tracing.span("incident:start", attributes, parent=trace_context(incident)):
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

    async def update(self, incident: IncidentView, before: Mapping[str, Any]) -> None:
        """Signal what people changed since the spec `before`; repeating is harmless. Other changes, such as those of
        annotations, cost no signal: Temporal takes 10,000 per workflow. Suspension first: who then approves wants no
        change yet.
        """
        self._may_act()
        if incident.closed:
            await self.update_escalation(incident)
            return
        handle = self._client.get_workflow_handle(workflow_id(incident.metadata.uid))
        spec = {key: value for key, value in incident.spec.items() if value != before.get(key)}
        try:
            if incident.is_cancelled:
                await self._call(handle.cancel())
            if bool(incident.spec.get("suspend")) != bool(before.get("suspend")):
                await self._call(handle.signal(SelfHealing.suspend, bool(spec.get("suspend"))))
            if spec.get("approval"):
                await self._call(handle.signal(SelfHealing.approve, Approval.model_validate(spec["approval"])))
            if spec.get("acknowledged"):
                await self._call(handle.signal(SelfHealing.acknowledge, _acknowledgement(incident)))
        except NotFound:
            await self.start(incident)

    async def update_escalation(self, incident: IncidentView) -> None:
        """Signal to the escalation of an incident who acknowledged it, or that it was cancelled."""
        note = incident.status.escalation
        if note is None or note.ended:
            return
        handle = self._client.get_workflow_handle(escalation_id(incident.metadata.uid))
        with suppress(NotFound):  # not started yet: the next resync retries
            if incident.spec.get("acknowledged") and not note.acknowledged_at:
                await self._call(handle.signal(Escalation.acknowledge, _acknowledgement(incident)))
            if incident.is_cancelled:
                await self._call(handle.cancel())

    async def cancel(self, uid: str) -> None:
        """Cancel the workflows of a deleted incident; the healing workflow rolls back what is half done."""
        self._may_act()
        for workflow in (workflow_id(uid), escalation_id(uid)):
            with suppress(NotFound):
                await self._call(self._client.get_workflow_handle(workflow).cancel())

    async def probe(self) -> None:
        """Check whether Temporal serves, and update `temporal_error`."""
        with suppress(rpc.TemporalUnavailable):
            await self._call(self._client.service_client.check_health())

    async def _check_lost(self, incident: IncidentView) -> None:
        """Close an open incident whose workflow ended without closing it: it would never be healed."""
        handle = self._client.get_workflow_handle(workflow_id(incident.metadata.uid))
        status = (await self._call(handle.describe())).status
        if status not in _LOST:
            return
        path = paths.incidents(incident.metadata.namespace, incident.metadata.name)
        live = IncidentView.from_object(await self._rest.get(path))
        if not live.closed:
            message = f"{_LOST[status]}; check what it left behind, then open a new incident"
            await self._set_status(live, Phase.FAILED, "WorkflowLost", message)

    async def _set_status(self, incident: IncidentView, phase: Phase, reason: str, message: str) -> None:
        """Write the status where no workflow exists to write it. A later writer knows more: a conflict ends this."""
        if (incident.status.phase, incident.status.reason) == (phase, reason):
            return
        meta, message = incident.metadata, message[:_MAX_MESSAGE]
        body: Object = {"phase": phase.value, "reason": reason, "message": message}
        if phase.closed:
            now = clock.now().isoformat()
            body["nextStep"] = "Correct what the message names, then open a new incident."
            condition = {"type": "Succeeded", "status": "False", "reason": "Failed", "message": message}
            body |= {"times": {"closedAt": now}, "conditions": [{**condition, "lastTransitionTime": now}]}
        patch = {"metadata": meta.preconditions, "status": body}
        with suppress(NotFound, Conflict):
            await self._rest.patch(f"{paths.incidents(meta.namespace, meta.name)}/status", patch, MERGE_PATCH)

    async def _call(self, request: Awaitable[T]) -> T:
        """Call Temporal, and update `temporal_error`."""
        try:
            response = await rpc.call(request, _REQUEST_TIMEOUT_SECONDS)
        except rpc.TemporalUnavailable as error:
            self.temporal_error = error.detail
            raise
        self.temporal_error = ""
        return response


def trace_context(incident: IncidentView) -> TraceContext | None:
    """The trace of the fault's detection, by the annotation that its source set."""
    return TraceContext.parse(incident.metadata.annotations.traceparent)


def _acknowledgement(incident: IncidentView) -> Acknowledgement:
    """The acknowledgement in the spec. An invalid time is no reason to notify someone else."""
    raw = incident.spec["acknowledged"]
    return Acknowledgement(by=str(raw.get("by") or "someone"), at=parse_annotation_time(raw.get("at")))


def _request(incident: IncidentView) -> HealingRequest:
    meta = incident.metadata
    try:
        spec = IncidentSpec.model_validate(incident.spec)
    except ValidationError as error:
        raise InvalidIncident(f"spec.{first_error(error)}") from None
    return HealingRequest(
        incident=incident.ref,
        spec=spec,
        opened_at=meta.creation_timestamp,
        detected_at=parse_annotation_time(meta.annotations.detected_at),
        fault_at=parse_annotation_time(meta.annotations.fault_at),
        trace_id=parent.trace_id if (parent := trace_context(incident)) else "",
        attempts=incident.status.made_attempts,
    )
