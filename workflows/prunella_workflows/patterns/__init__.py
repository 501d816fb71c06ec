"""Patterns for workflows of any application: sagas, approvals, and items in parallel."""

from prunella_workflows.contracts.options import Options
from prunella_workflows.patterns.approval import (
    ApprovalAnswer,
    ApprovalRequest,
    ApprovalResult,
    ApprovalState,
    ApprovalStatus,
    ApprovalWorkflow,
)
from prunella_workflows.patterns.parallel import (
    ItemResult,
    ItemsRequest,
    ParallelProcessing,
    ProcessedItems,
    process_items,
)
from prunella_workflows.patterns.saga import Saga
from prunella_workflows.patterns.saga_failure import FailedCompensation, SagaFailed, SagaOutcome
from prunella_workflows.patterns.steps import NotDone, idempotency_key
from prunella_workflows.temporal.failures import translate_errors

__all__ = [
    "ApprovalAnswer",
    "ApprovalRequest",
    "ApprovalResult",
    "ApprovalState",
    "ApprovalStatus",
    "ApprovalWorkflow",
    "FailedCompensation",
    "ItemResult",
    "ItemsRequest",
    "NotDone",
    "Options",
    "ParallelProcessing",
    "ProcessedItems",
    "Saga",
    "SagaFailed",
    "SagaOutcome",
    "idempotency_key",
    "process_items",
    "translate_errors",
]
