"""Failures between activities, workflows and those who called them: type, message, and whether they are permanent."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    ApplicationErrorCategory,
    ChildWorkflowError,
    FailureError,
    is_cancelled_exception,
)

from prunella_workflows.model.errors import Permanent, PrunellaError, Retryable

UNANSWERED = "Unanswered"


@contextmanager
def translate_errors() -> Iterator[None]:
    """Translate errors that leave an activity or a workflow: its retry policy repeats what is not permanent.

    Temporal itself would repeat a workflow whatever its activity or child failed with. A bug is left as it is: an
    activity is retried and a workflow waits, because a new release may fix it.

    Raises:
        ApplicationError: an error of ours, or the permanent error of an activity or child; its type is the reason.
    """
    try:
        yield
    except PrunellaError as error:
        raise _application_error(error) from error
    except (ActivityError, ChildWorkflowError) as error:
        cause = _cause(error)
        if cause is None or not cause.non_retryable:
            raise
        raise ApplicationError(cause.message, *cause.details, type=cause.type, non_retryable=True) from error


def _application_error(error: PrunellaError) -> ApplicationError:
    final = isinstance(error, Permanent)
    again = timedelta(seconds=error.again) if isinstance(error, Retryable) and error.again is not None else None
    # Benign: an outcome that the workflow expects, so no traceback in the log and no failure in the metrics.
    expected = final or again is not None
    category = ApplicationErrorCategory.BENIGN if expected else ApplicationErrorCategory.UNSPECIFIED
    return ApplicationError(
        str(error), type=error.reason, non_retryable=final, category=category, next_retry_delay=again
    )


def is_permanent(error: BaseException) -> bool:
    """True when the same call would fail again."""
    cause = _cause(error)
    return isinstance(error, Permanent) or (cause is not None and cause.non_retryable)


def error_type(error: BaseException) -> str:
    """The CamelCase name of our error; UNANSWERED when every attempt timed out."""
    if isinstance(error, PrunellaError):
        return error.reason
    cause = _cause(error)
    return (cause.type or "Failed") if cause is not None else UNANSWERED


def error_message(error: BaseException) -> str:
    """The message of the error."""
    cause = _cause(error)
    return cause.message if cause is not None else f"{error}"


def describe_error(error: BaseException) -> str:
    """Type and message of any failure of a workflow, for people."""
    if is_cancelled_exception(error):
        return "Cancelled"
    if isinstance(error, PrunellaError) or _cause(error) is not None:
        return f"{error_type(error)}: {error_message(error)}"
    root = (error.cause or error) if isinstance(error, FailureError) else error
    return ": ".join(filter(None, (type(root).__name__, str(root))))


def _cause(error: BaseException) -> ApplicationError | None:
    cause = error.cause if isinstance(error, ActivityError | ChildWorkflowError) else error
    return cause if isinstance(cause, ApplicationError) else None
