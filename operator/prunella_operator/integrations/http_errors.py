"""What the answer of a service outside the cluster means to us. Its words may repeat what we sent: they are cleaned."""

import re
from collections.abc import Iterable, Mapping

from prunella_workflows.model.errors import AuthenticationError, InvalidInputError, PrunellaError, Unavailable
from prunella_workflows.model.redaction import MASK, redact

_CREDENTIALS = frozenset({401, 403, 407})
_PASSING = frozenset({408, 425, 429})
_SERVER_ERROR = 500
_WORDS = 200  # characters of a service's own words
_LONGEST_WAIT = 3600.0
_BLANK = re.compile(r"\s+")


def error_from_status(service: str, code: int, words: str = "", again: float | None = None) -> PrunellaError:
    """Our error for a status code of HTTP. `words` are the service's, cleaned by `cleaned`."""
    said = f"{service} answered {code}" + (f": {words}" if words else "")
    if code in _CREDENTIALS:
        return AuthenticationError(f"{said}: it refuses our credentials")
    if code >= _SERVER_ERROR or code in _PASSING:
        return Unavailable(said, again=again)
    return InvalidInputError(said if words else f"{said}: it refuses the message or does not know the address")


def sanitize(words: str, secrets: Iterable[str]) -> str:
    """A service's words without our secrets, short."""
    for secret in sorted((one for one in secrets if one), key=len, reverse=True):
        words = words.replace(secret, MASK)
    return redact(_BLANK.sub(" ", words)).strip()[:_WORDS]


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that a service asks us to wait, at most an hour; None when it does not say."""
    text = headers.get("Retry-After") or headers.get("retry-after") or ""
    return min(float(text), _LONGEST_WAIT) if text.isdecimal() else None
