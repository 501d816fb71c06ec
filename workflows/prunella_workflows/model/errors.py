"""The error tree. Its two roots answer the caller's only question: is it worth trying again?

    PrunellaError
    ├── Retryable              the same call may succeed later
    │   ├── Unavailable        the service did not answer, or asked to wait
    │   └── Conflict           the object changed since it was read: read again and decide again
    └── Permanent              the same call will fail again
        ├── NotFound           the object is gone
        ├── Forbidden          we may not do this
        ├── Refused            the API server finds the change invalid (quota, limits, admission)
        ├── ChangedSince       the object is no longer what the decision was made on: never write
        ├── Held               a guard says "not now": nothing was written, ask again later
        ├── InvalidIncident    the incident makes no sense
        ├── AuthenticationError  a service outside the cluster refuses our credentials
        └── InvalidInputError  a service outside the cluster cannot do anything with what we were told to send it

Errors are translated at three edges only: Kubernetes to ours in `cluster/`, ours to Temporal in `activities/`,
ours to kopf in `controller.py`.
"""


class PrunellaError(Exception):
    """Any error of ours. `reason` is CamelCase and stable; the message is for people."""

    @property
    def reason(self) -> str:
        """The CamelCase reason that reaches status, Events and metrics."""
        return type(self).__name__


class Retryable(PrunellaError):
    """The same call may succeed later; `again` seconds from now, if we were told when."""

    def __init__(self, message: str = "", again: float | None = None) -> None:
        super().__init__(message)
        self.again = again


class Unavailable(Retryable):
    """The service did not answer, or asked to wait."""


class Conflict(Retryable):
    """The object changed while we were writing."""


class Permanent(PrunellaError):
    """The same call will fail again."""


class NotFound(Permanent):
    """The object is gone."""


class Forbidden(Permanent):
    """We may not do this."""


class Refused(Permanent):
    """The API server finds the change invalid."""


class ChangedSince(Permanent):
    """The object is no longer what the decision was made on."""


class Held(Permanent):
    """A guard says "not now": nothing was written. The same order will not be made; a later one may."""


class InvalidIncident(Permanent):
    """The incident makes no sense."""


class AuthenticationError(Permanent):
    """A service outside the cluster (chat, mail, tickets) refuses our credentials."""


class InvalidInputError(Permanent):
    """A channel or ticket system makes no sense as configured, or refuses the message."""
