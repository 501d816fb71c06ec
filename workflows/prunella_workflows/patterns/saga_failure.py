"""The failure of a saga: its cause, what was compensated, and what was not."""

from collections.abc import Sequence

from temporalio.exceptions import ActivityError, ApplicationError

from prunella_workflows.model.base import Value
from prunella_workflows.temporal.failures import describe_error, is_permanent


class FailedCompensation(Value):
    """A step that was not compensated: a person has to look."""

    step: str
    compensation: str
    reason: str


class SagaOutcome(Value):
    """The end of a saga that failed: names of steps, in the order in which they were compensated."""

    cause: str
    compensated: tuple[str, ...]
    failed: tuple[FailedCompensation, ...]


class SagaFailed(ApplicationError):
    """A saga failed. Its cause is `cause`; the error's details are the outcome, for callers of the workflow.

    It is permanent when the cause is, and when a compensation failed: a retry could do twice what was not compensated.
    """

    def __init__(self, cause: BaseException, compensated: Sequence[str], failed: Sequence[FailedCompensation]) -> None:
        self.outcome = SagaOutcome(cause=_describe(cause), compensated=tuple(compensated), failed=tuple(failed))
        super().__init__(
            _message(self.outcome),
            self.outcome.to_object(),
            type=type(self).__name__,
            non_retryable=bool(failed) or is_permanent(cause),
        )

    @property
    def compensated(self) -> tuple[str, ...]:
        """The steps that were compensated."""
        return self.outcome.compensated

    @property
    def failed(self) -> tuple[FailedCompensation, ...]:
        """The steps that were not compensated, although they may have had their effect."""
        return self.outcome.failed


def _describe(cause: BaseException) -> str:
    step = f"{cause.activity_type} failed: " if isinstance(cause, ActivityError) else ""
    return step + describe_error(cause)


def _message(outcome: SagaOutcome) -> str:
    parts = [outcome.cause, f"compensated: {', '.join(outcome.compensated) or 'nothing'}"]
    parts += [f"not compensated: {one.step} ({one.compensation}: {one.reason})" for one in outcome.failed]
    return "; ".join(parts)
