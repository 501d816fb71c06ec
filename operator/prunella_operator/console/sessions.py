"""Browser sessions: the user's own Kubernetes token, kept on the server, behind a random cookie.
The API server decides what they may do, and its audit log and admission policies see them, not Prunella.
"""

import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

COOKIE = "prunella_session"
LIFETIME = timedelta(hours=8)
_MAX_SESSIONS = 1000


@dataclass(frozen=True)
class Session:
    """A user whose token the API server accepted. Every form they send must contain `csrf`."""

    user: str
    token: str = field(repr=False)
    expires_at: datetime
    csrf: str = field(repr=False)

    def has_csrf(self, csrf: str) -> bool:
        """True if a form came from one of our pages; another site cannot know the token."""
        return hmac.compare_digest(self.csrf.encode(), csrf.encode())


class Sessions:
    """The sessions of this process, in memory only."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}

    def open(self, user: str, token: str, now: datetime) -> str:
        """Start a session and return the cookie's value. Evicts the oldest when there are too many."""
        self._sessions = {key: session for key, session in self._sessions.items() if session.expires_at > now}
        while len(self._sessions) >= _MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        key = secrets.token_urlsafe(32)
        self._sessions[key] = Session(user, token, now + LIFETIME, secrets.token_urlsafe(32))
        return key

    def find(self, key: str, now: datetime) -> Session | None:
        """The session of a cookie, until it expires."""
        session = self._sessions.get(key)
        return session if session is not None and session.expires_at > now else None

    def close(self, key: str) -> None:
        """End it."""
        self._sessions.pop(key, None)
