"""For the activities of a saga: the key that makes a step idempotent, and the error of a step that had no effect."""

from temporalio import activity

from prunella_workflows.model.errors import Permanent

SAGA = "saga-"
COMPENSATION = "-compensation"


class NotDone(Permanent):
    """The step had no effect, in no attempt, and will have none: there is nothing to compensate.

    Raise it only when the system that was called says so for the step's key, such as a refused payment. Any other
    failure leaves the outcome unknown, and the step is compensated.
    """


def step_id(saga: str, number: int) -> str:
    """The activity id of a step; that of its compensation ends in COMPENSATION."""
    return f"{SAGA}{saga}-{number}"


def idempotency_key() -> str:
    """The key of the effect that the current activity has: the same in all attempts.

    The step of a saga and its compensation have the same key, so that the compensation finds what the step did. The
    key is another one when the workflow is retried or started again, because the first effect has been compensated.

    Raises:
        RuntimeError: the caller is no activity of a workflow.
    """
    info = activity.info()
    if info.workflow_id is None:
        raise RuntimeError("only an activity of a workflow has an idempotency key")
    if info.activity_id.startswith(SAGA):
        return f"{info.workflow_id}/{info.activity_id.removesuffix(COMPENSATION)}"
    return f"{info.workflow_id}/{info.workflow_run_id}/{info.activity_id}"
