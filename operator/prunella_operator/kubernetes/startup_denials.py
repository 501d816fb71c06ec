"""`DenialFilter`: tell a real denial (401, 403) from that of an API server that starts, and so denies everything.

Its authorizer and admission plugins know nothing until their caches are filled, nor can it check a token before its
authenticator is ready. Taking such a denial for an answer would end a healing because an API server was restarted.
"""

from prunella_operator import clock
from prunella_workflows.model.errors import Unavailable

_UNAUTHORIZED, _FORBIDDEN = 401, 403
DENIALS = frozenset({_UNAUTHORIZED, _FORBIDDEN})
"""The status codes that deserve a second look."""

READY = "/readyz"
"""By default every client may read it, but that too is a rule of the authorizer."""

_REDIRECT, _NOT_FOUND = 300, 404
_OUTAGE_COOLDOWN_SECONDS = 30.0  # after an outage, in which a denial is not believed even if the server is ready
_STARTUP_SECONDS = 60.0  # after our own start, in which a server that denies even `READY` is taken to be starting


class DenialFilter:
    """Remembers whether this API server was ever ready, and its latest outage."""

    def __init__(self) -> None:
        self._created_at = clock.monotonic()
        self._was_ready = False
        self._outage_at = -_OUTAGE_COOLDOWN_SECONDS

    def record_outage(self) -> None:
        """Record that the API server does not answer."""
        self._outage_at = clock.monotonic()

    def check(self, code: int) -> None:
        """Check the status code of `READY` after a denial. Raises Unavailable if the denial means nothing."""
        now = clock.monotonic()
        if code < _REDIRECT:
            self._was_ready = True
            if now - self._outage_at < _OUTAGE_COOLDOWN_SECONDS:
                raise Unavailable("the API server was down a moment ago and may not have loaded its permissions yet")
        elif code == _UNAUTHORIZED:
            raise Unavailable("the API server does not accept our credentials (401)")
        elif code == _NOT_FOUND:  # not a Kubernetes API server
            return
        elif code != _FORBIDDEN or self._was_ready or now - self._created_at < _STARTUP_SECONDS:
            raise Unavailable("the API server is starting and denies all requests")
