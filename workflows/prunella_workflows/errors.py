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
        └── InvalidIncident    the incident makes no sense

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
    """The same call may succeed later."""


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


class InvalidIncident(Permanent):
    """The incident makes no sense."""
