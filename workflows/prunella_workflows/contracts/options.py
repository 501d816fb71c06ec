"""Activity options: the retry classes, and timeouts and priority of one activity."""

from dataclasses import dataclass
from datetime import timedelta

from temporalio.common import Priority, RetryPolicy

IDEMPOTENT = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(minutes=5),
    maximum_attempts=10,
)
NON_IDEMPOTENT = RetryPolicy(
    initial_interval=timedelta(seconds=5),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(minutes=1),
    maximum_attempts=3,
)
EXTERNAL = RetryPolicy(
    initial_interval=timedelta(seconds=10),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(minutes=10),
    maximum_attempts=5,
    non_retryable_error_types=["AuthenticationError", "InvalidInputError"],
)
UNTIL_WRITTEN = RetryPolicy(
    initial_interval=timedelta(seconds=1), backoff_coefficient=2.0, maximum_interval=timedelta(minutes=1)
)
"""For the closing report: without it the end of an incident cannot be read, so it is retried until it is written."""


@dataclass(frozen=True)
class Options:
    """Seconds for one attempt, seconds in total (None: no limit), the retry class, and the priority among waiting
    activities.
    """

    start_to_close: float
    retry: RetryPolicy
    schedule_to_close: float | None = None
    priority: Priority = Priority.default
