"""Who sits at the browser: a Kubernetes bearer token, kept on the server, behind a random cookie.

The token is the caller's own, and everything he changes is sent with it: so the API server decides what he may do, and
its audit log and admission policies see him, not Prunella.
"""

import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

COOKIE = "prunella_session"
LIFETIME = timedelta(hours=8)
_AT_MOST = 1000


@dataclass(frozen=True)
class Session:
    """A person who showed a token that the API server knows. `csrf` must come back with everything he sends."""

    user: str
    token: str = field(repr=False)
    until: datetime
    csrf: str = field(repr=False)

    def sent_by_our_page(self, csrf: str) -> bool:
        """Whether a form came from a page of ours; another site cannot know the word."""
        return hmac.compare_digest(self.csrf.encode(), csrf.encode())


class Sessions:
    """The sessions of this process; a restart forgets them."""

    def __init__(self) -> None:
        self._known: dict[str, Session] = {}

    def open(self, user: str, token: str, now: datetime) -> str:
        """Begin a session; the cookie's value. The oldest goes when there are too many."""
        self._known = {key: one for key, one in self._known.items() if one.until > now}
        while len(self._known) >= _AT_MOST:
            del self._known[next(iter(self._known))]
        key = secrets.token_urlsafe(32)
        self._known[key] = Session(user, token, now + LIFETIME, secrets.token_urlsafe(32))
        return key

    def find(self, key: str, now: datetime) -> Session | None:
        """The session of a cookie, while it lasts."""
        found = self._known.get(key)
        return found if found is not None and found.until > now else None

    def close(self, key: str) -> None:
        """Forget it."""
        self._known.pop(key, None)
