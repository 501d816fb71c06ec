"""The error tree. Its two roots, Retryable and Permanent, answer the caller's only question: is a retry worthwhile?

Errors are translated at three edges only: Kubernetes to ours in `kubernetes/`, ours to Temporal in
`temporal/failures.py`, ours to kopf in `incidents/controller.py`.
"""


class PrunellaError(Exception):
    """Any error of ours. `reason` is CamelCase and stable; the message is for people."""

    @property
    def reason(self) -> str:
        """The CamelCase reason that reaches status, Events and metrics."""
        return type(self).__name__


class Retryable(PrunellaError):
    """The same call may succeed later; `again`: seconds from now, if the service said when."""

    def __init__(self, message: str = "", again: float | None = None) -> None:
        super().__init__(message)
        self.again = again


class Unavailable(Retryable):
    """The service did not respond, or asked to wait."""


class Conflict(Retryable):
    """The object changed since it was read: read and decide again."""


class Permanent(PrunellaError):
    """The same call will fail again."""


class NotFound(Permanent):
    """The object is gone."""


class TargetDeleted(NotFound):
    """The workload was there at an earlier check, and is gone."""


class Forbidden(Permanent):
    """We may not do this."""


class Refused(Permanent):
    """The API server finds the change invalid (quota, limits, admission)."""


class ChangedSince(Permanent):
    """The object is no longer what the decision was made on: never write."""


class Held(Permanent):
    """A guard blocks for now: nothing was written. This order is not executed; a later one may be."""


class InvalidIncident(Permanent):
    """The incident is invalid."""


class AuthenticationError(Permanent):
    """A service outside the cluster (chat, mail, tickets) refuses our credentials."""


class InvalidInputError(Permanent):
    """The configuration of a channel or ticket system is invalid, or it rejects the message."""
