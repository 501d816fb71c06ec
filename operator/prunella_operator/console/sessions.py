"""Browser sessions: the user's own Kubernetes token, kept on the server, behind a random cookie.
The API server decides what they may do, and its audit log and admission policies see them, not Prunella.
"""

import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar

COOKIE = "prunella_session"
LIFETIME = timedelta(hours=8)
_MAX_ENTRIES = 1000


class Expiring(Protocol):
    """A value that is valid for some time."""

    @property
    def expires_at(self) -> datetime:
        """The end of that time."""


T = TypeVar("T", bound=Expiring)


@dataclass(frozen=True)
class Session:
    """A user whose token the API server accepted. Every form they send must contain `csrf`."""

    user: str
    token: str = field(repr=False)
    expires_at: datetime
    csrf: str = field(repr=False, default_factory=lambda: secrets.token_urlsafe(32))

    def has_csrf(self, csrf: str) -> bool:
        """True if a form came from one of our pages; another site cannot know the token."""
        return hmac.compare_digest(self.csrf.encode(), csrf.encode())


class Store(Generic[T]):
    """Values of this process by random cookies, in memory only, until they expire."""

    def __init__(self) -> None:
        self._values: dict[str, T] = {}

    def add(self, value: T, now: datetime) -> str:
        """Keep a value and return the cookie's value. Evicts the oldest when there are too many."""
        self._values = {key: kept for key, kept in self._values.items() if kept.expires_at > now}
        while len(self._values) >= _MAX_ENTRIES:
            del self._values[next(iter(self._values))]
        key = secrets.token_urlsafe(32)
        self._values[key] = value
        return key

    def find(self, key: str, now: datetime) -> T | None:
        """The value of a cookie, until it expires."""
        value = self._values.get(key)
        return value if value is not None and value.expires_at > now else None

    def take(self, key: str, now: datetime) -> T | None:
        """The value of a cookie, only once."""
        value = self.find(key, now)
        self._values.pop(key, None)
        return value
