"""Failed activities as workflows see them: the error's type, whether it is permanent, and its message."""

from temporalio.exceptions import ActivityError, ApplicationError

UNANSWERED = "Unanswered"


def is_permanent(error: ActivityError) -> bool:
    """True when the same call would fail again."""
    cause = _cause(error)
    return cause is not None and cause.non_retryable


def error_type(error: BaseException) -> str:
    """The CamelCase name of our error; UNANSWERED when every attempt timed out."""
    cause = _cause(error)
    return (cause.type or "Failed") if cause is not None else UNANSWERED


def error_message(error: BaseException) -> str:
    """The message of the error."""
    cause = _cause(error)
    return cause.message if cause is not None else f"{error}"


def _cause(error: BaseException) -> ApplicationError | None:
    cause = error.cause if isinstance(error, ActivityError) else None
    return cause if isinstance(cause, ApplicationError) else None
