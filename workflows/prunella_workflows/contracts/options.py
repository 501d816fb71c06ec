"""Activity options: the retry classes, and timeouts and priority of one activity."""

from dataclasses import dataclass
from datetime import timedelta

from temporalio.common import Priority, RetryPolicy


def _retry(first: int, longest: int, attempts: int = 0, permanent: tuple[str, ...] = ()) -> RetryPolicy:
    """Retry after `first` seconds, then after doubled pauses of `longest` seconds at most; 0 attempts: no limit."""
    return RetryPolicy(
        initial_interval=timedelta(seconds=first),
        maximum_interval=timedelta(seconds=longest),
        maximum_attempts=attempts,
        non_retryable_error_types=permanent or None,
    )


IDEMPOTENT = _retry(1, 300, attempts=10)
WATCHING = _retry(1, 10, attempts=10)
"""Idempotent too; a watch that was interrupted is continued soon."""

NON_IDEMPOTENT = _retry(5, 60, attempts=3)
EXTERNAL = _retry(10, 600, attempts=5, permanent=("AuthenticationError", "InvalidInputError"))
ALERT = _retry(1, 60, attempts=3)
TELEMETRY = _retry(10, 600, attempts=3)
UNTIL_DONE = _retry(1, 60)
"""For what must not be lost: the end of an incident, and alerts that are stored but not distributed yet."""


@dataclass(frozen=True)
class Options:
    """Seconds for one attempt and in total (None: no limit), retry class, and priority among waiting activities.

    `heartbeat`: seconds without one after which the worker of a watching activity is taken for dead. Watching
    activities have a task queue of their own, so that they take no slot that others need.
    """

    start_to_close: float
    retry: RetryPolicy
    schedule_to_close: float | None = None
    heartbeat: float | None = None
    priority: Priority = Priority.default
