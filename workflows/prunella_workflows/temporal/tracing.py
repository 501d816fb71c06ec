"""Spans of workflows, without clock or random numbers: their ids derive from the run, so that replays agree.

Everything a workflow calls has the workflow's span as its parent from the start. The span itself is exported once, by
the worker that ends the run: after replays, moves between workers and days of waiting there is still one.
"""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.exceptions import is_cancelled_exception
from temporalio.worker import (
    ExecuteWorkflowInput,
    StartActivityInput,
    StartChildWorkflowInput,
    WorkflowInboundInterceptor,
    WorkflowOutboundInterceptor,
)

from prunella_workflows.model.incident_status import IncidentStatus
from prunella_workflows.model.trace_context import TraceContext

HEADER = "traceparent"
"""The header of calls between workflows, activities and clients; its value is W3C trace context."""

EMIT = "prunella_emit_span"
"""The function outside of the sandbox that takes a `WorkflowSpan`."""


@dataclass(frozen=True)
class WorkflowSpan:
    """A finished workflow, to be exported as a span."""

    name: str
    context: TraceContext
    parent: TraceContext
    started: datetime
    ended: datetime
    attributes: Mapping[str, str]
    error: str = ""


class WorkflowSpans(WorkflowInboundInterceptor):
    """Traces a workflow that was started with a trace context; others are not traced."""

    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        """Add our header to everything the workflow starts."""
        self._calls = _Calls(outbound)
        super().init(self._calls)

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:  # noqa: A002 - the SDK's name
        """Run the workflow, and export its span at the end."""
        parent = context_of(input.headers)
        if parent is None:
            return await super().execute_workflow(input)
        info = workflow.info()
        context = replace(parent, span_id=hashlib.sha256(info.run_id.encode()).hexdigest()[:16])
        self._calls.headers = header_of(context)
        try:
            result = await super().execute_workflow(input)
        except asyncio.CancelledError:
            if workflow.cancellation_reason() is not None:  # otherwise it is only evicted from this worker's cache
                _emit(context, parent, error="cancelled")
            raise
        except Exception as error:
            cancelled = is_cancelled_exception(error)
            _emit(context, parent, error="cancelled" if cancelled else f"{type(error).__name__}: {error}")
            raise
        _emit(context, parent, result)
        return result


class _Calls(WorkflowOutboundInterceptor):
    headers: Mapping[str, Payload] = {}

    def start_activity(self, input: StartActivityInput) -> workflow.ActivityHandle[Any]:  # noqa: A002
        input.headers = {**input.headers, **self.headers}
        return super().start_activity(input)

    async def start_child_workflow(
        self,
        input: StartChildWorkflowInput,  # noqa: A002
    ) -> workflow.ChildWorkflowHandle[Any, Any]:
        input.headers = {**input.headers, **self.headers}
        return await super().start_child_workflow(input)


def context_of(headers: Mapping[str, Payload]) -> TraceContext | None:
    """The trace context of a call."""
    payload = headers.get(HEADER)
    return TraceContext.parse(payload.data.decode("ascii", "replace")) if payload is not None else None


def header_of(context: TraceContext) -> dict[str, Payload]:
    """The header that carries a trace context."""
    return {HEADER: Payload(metadata={"encoding": b"binary/plain"}, data=str(context).encode())}


def _emit(context: TraceContext, parent: TraceContext, result: object = None, *, error: str = "") -> None:
    if workflow.unsafe.is_replaying():
        return
    info = workflow.info()
    span = WorkflowSpan(
        name=f"workflow:{info.workflow_type}",
        context=context,
        parent=parent,
        started=info.workflow_start_time,
        ended=workflow.now(),
        attributes={
            "workflow.id": info.workflow_id,
            "workflow.run_id": info.run_id,
            "workflow.type": info.workflow_type,
            "task_queue": info.task_queue,
            **(_outcome(result) if isinstance(result, IncidentStatus) else {}),
        },
        error=error,
    )
    workflow.extern_functions()[EMIT](span)


def _outcome(status: IncidentStatus) -> dict[str, str]:
    """The outcome of an incident, from its status."""
    last = status.attempts[-1] if status.attempts else None
    values = {
        "prunella.phase": status.phase.value,
        "prunella.reason": status.reason,
        "prunella.cause": status.root_cause,
        "prunella.action": last.action if last else "",
        "prunella.verdict": (last.verdict or "") if last else "",
    }
    return {key: str(value) for key, value in values.items() if value}
