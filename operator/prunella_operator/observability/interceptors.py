"""Trace context over Temporal: from the client's span to the workflow, its activities and its children.

Register it on the client; its workers inherit it.
"""

from collections.abc import Callable
from typing import Any

from temporalio import activity
from temporalio.client import Interceptor as ClientInterceptor
from temporalio.client import OutboundInterceptor, StartWorkflowInput, WorkflowHandle
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, WorkflowInterceptorClassInput
from temporalio.worker import Interceptor as WorkerInterceptor

from prunella_operator.observability import tracing
from prunella_workflows.temporal.tracing import EMIT, WorkflowSpan, WorkflowSpans, context_of, header_of


class TracingInterceptor(ClientInterceptor, WorkerInterceptor):
    """Propagates the trace, and creates spans for activities and workflows."""

    def __init__(self, emit: Callable[[WorkflowSpan], None]) -> None:
        self._emit = emit

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002 - the SDK's name
        """Start workflows in the trace of the caller."""
        return _Client(next)

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        """Create a span for each attempt of an activity."""
        return _Activity(next)

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowSpans]:  # noqa: A002
        """Create a workflow's span in the sandbox, and export it outside."""
        input.unsafe_extern_functions[EMIT] = self._emit
        return WorkflowSpans


class _Client(OutboundInterceptor):
    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:  # noqa: A002
        context = tracing.current()
        if context is not None:
            input.headers = {**input.headers, **header_of(context)}
        return await super().start_workflow(input)


class _Activity(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002
        parent = context_of(input.headers)
        if parent is None:
            return await super().execute_activity(input)
        info = activity.info()
        attributes: dict[str, str | int] = {
            "activity.id": info.activity_id,
            "activity.type": info.activity_type,
            "workflow.id": info.workflow_id or "",
            "workflow.run_id": info.workflow_run_id or "",
            "workflow.type": info.workflow_type or "",
            "task_queue": info.task_queue,
            "attempt": info.attempt,
        }
        with tracing.Task(f"activity:{info.activity_type}", attributes, parent):
            return await super().execute_activity(input)
