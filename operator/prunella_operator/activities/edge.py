"""The edge where our errors become Temporal's: permanent ones are not retried, all carry their type by name."""

from collections.abc import Iterator
from contextlib import contextmanager

from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from prunella_workflows.errors import Permanent, PrunellaError


@contextmanager
def edge() -> Iterator[None]:
    """Translate errors that leave an activity. A bug stays what it is and is retried: a new release may mend it."""
    try:
        yield
    except PrunellaError as error:
        final = isinstance(error, Permanent)
        # Benign: an answer the workflow reckons with, so no traceback in the log and no failure in the metrics.
        category = ApplicationErrorCategory.BENIGN if final else ApplicationErrorCategory.UNSPECIFIED
        raise ApplicationError(str(error), type=error.reason, non_retryable=final, category=category) from error
