"""Whether a refusal (403) is to be believed: an API server that is just starting refuses everybody for some seconds.

Its authorizer and its admission plugins know nothing until their caches are filled. To take that for an answer would
end a healing, and undo a repair that helped, because an API server was restarted.
"""

from prunella_operator import clock
from prunella_workflows.model.errors import Unavailable

FORBIDDEN = 403
READY = "/readyz"
"""Everybody may read it, in a cluster as it is installed; that is a rule of the authorizer too."""

_OK = 300
_NOT_FOUND = 404
_AFTERWARDS = 30.0  # seconds after nobody answered in which a refusal is asked for again, though it says it is ready
_STARTING = 60.0  # seconds within which an API server that refuses even this is taken for one that starts with us


class DenialFilter:
    """Remembers whether this API server ever said that it is ready."""

    def __init__(self) -> None:
        self._since = clock.monotonic()
        self._answered = False
        self._away_at = -_AFTERWARDS

    def away(self) -> None:
        """Nobody answered just now."""
        self._away_at = clock.monotonic()

    def check(self, code: int) -> None:
        """Judge by the code that `READY` is answered with.

        Raises:
            Unavailable: the API server is not ready, or was away a moment ago, so a refusal says nothing.
        """
        if code < _OK:
            self._answered = True
            if clock.monotonic() - self._away_at < _AFTERWARDS:
                raise Unavailable("the API server was away a moment ago and may not know everybody yet")
        elif code == _NOT_FOUND:  # no API server that we know
            return
        elif code != FORBIDDEN or self._answered or clock.monotonic() - self._since < _STARTING:
            raise Unavailable("the API server is starting and refuses everybody")
