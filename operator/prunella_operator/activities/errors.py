"""Translate our errors to Temporal's: permanent ones are not retried, all carry their type by name."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from prunella_workflows.model.errors import Permanent, PrunellaError, Retryable


@contextmanager
def translate_errors() -> Iterator[None]:
    """Translate errors that leave an activity. A bug is left as it is and retried: a new release may fix it."""
    try:
        yield
    except PrunellaError as error:
        final = isinstance(error, Permanent)
        again = timedelta(seconds=error.again) if isinstance(error, Retryable) and error.again is not None else None
        # Benign: an outcome that the workflow expects, so no traceback in the log and no failure in the metrics.
        expected = final or again is not None
        category = ApplicationErrorCategory.BENIGN if expected else ApplicationErrorCategory.UNSPECIFIED
        raise ApplicationError(
            str(error), type=error.reason, non_retryable=final, category=category, next_retry_delay=again
        ) from error
