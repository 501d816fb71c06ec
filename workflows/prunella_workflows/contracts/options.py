"""Activity options: the retry classes, and how one activity is run."""

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
UNTIL_TOLD = RetryPolicy(
    initial_interval=timedelta(seconds=1), backoff_coefficient=2.0, maximum_interval=timedelta(minutes=1)
)
"""For the closing report: an incident whose end nobody can read is lost, so it is tried until it is written."""


@dataclass(frozen=True)
class Options:
    """How an activity is run: seconds for one try, seconds in all (None: no bound), its retry class, and its priority
    where more wait than workers can take.
    """

    start_to_close: float
    retry: RetryPolicy
    schedule_to_close: float | None = None
    priority: Priority = Priority.default
