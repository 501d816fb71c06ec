"""Map responses of services outside the cluster to our errors. Their text may quote our request: it is sanitized."""

import re
from collections.abc import Iterable, Mapping

from prunella_workflows.model.errors import AuthenticationError, InvalidInputError, PrunellaError, Unavailable
from prunella_workflows.model.redaction import MASK, redact

_CREDENTIALS = frozenset({401, 403, 407})
_RETRYABLE = frozenset({408, 425, 429})
_SERVER_ERROR = 500
_MAX_TEXT = 200  # characters of a service's own text
_MAX_RETRY_AFTER_SECONDS = 3600.0
_BLANK = re.compile(r"\s+")


def error_from_status(service: str, code: int, text: str = "", retry_in: float | None = None) -> PrunellaError:
    """Make our error for an HTTP status code. `text` is the service's, sanitized; `retry_in` is in seconds."""
    message = f"{service} answered {code}" + (f": {text}" if text else "")
    if code in _CREDENTIALS:
        return AuthenticationError(f"{message}: it refuses our credentials")
    if code >= _SERVER_ERROR or code in _RETRYABLE:
        return Unavailable(message, again=retry_in)
    return InvalidInputError(message if text else f"{message}: it refuses the message or does not know the address")


def sanitize(text: str, secrets: Iterable[str]) -> str:
    """Remove our secrets from a service's text, and shorten it."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return redact(_BLANK.sub(" ", text)).strip()[:_MAX_TEXT]


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Read the seconds after which a service wants a retry, at most an hour; None without the header."""
    text = headers.get("Retry-After") or headers.get("retry-after") or ""
    return min(float(text), _MAX_RETRY_AFTER_SECONDS) if text.isdecimal() else None
