"""Signed links to approve or to reject one repair, and the page of the console that they open.

A link is no permission: people act in their own name. Its signature says that Prunella asked for this answer.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from prunella_operator.config.settings import Settings
from prunella_workflows.contracts.notifications import Link
from prunella_workflows.model.base import Value
from prunella_workflows.model.errors import InvalidInputError, Permanent
from prunella_workflows.model.incident import Decision, IncidentRef

_MIN_KEY_CHARS = 32
_MAX_TOKEN_CHARS = 4096
_DOMAIN = b"prunella answer link 1\n"
"""Signed with the rest, so that no signature for another purpose fits."""


class InvalidLink(Permanent):
    """A link that Prunella did not make, or that was changed since."""


class ExpiredLink(InvalidLink):
    """A link that is too old."""


class SignedLink(Link):
    """A link with a signature, made right before it is sent: it looks like a secret, and is not masked."""


class AnswerLink(Value):
    """A decision that is asked for, on one proposal (`proposal_id`) of one incident. `nonce` makes it unique."""

    incident: IncidentRef
    proposal: str
    decision: Decision
    expires_at: datetime
    nonce: str


@dataclass(frozen=True)
class AnswerLinks:
    """Makes links to the console, and reads them. `key_file` is read each time, so that keys can be replaced."""

    key_file: Path
    console_url: str
    lifetime: timedelta

    def make(self, incident: IncidentRef, proposal: str, decision: Decision, now: datetime) -> str:
        """The address of a new link. Raises InvalidInputError when there is no key."""
        link = AnswerLink(
            incident=incident,
            proposal=proposal,
            decision=decision,
            expires_at=now + self.lifetime,
            nonce=secrets.token_urlsafe(12),
        )
        body = _encode(link.model_dump_json().encode())
        return f"{self.console_url}/answers/{body}.{_sign(self.keys()[0], body)}"

    def read(self, token: str, now: datetime) -> AnswerLink:
        """Check a link and return its content. Raises ExpiredLink, InvalidLink, InvalidInputError."""
        body, _, signature = token[:_MAX_TOKEN_CHARS].partition(".")
        genuine = [hmac.compare_digest(_sign(key, body).encode(), signature.encode()) for key in self.keys()]
        if not any(genuine):
            raise InvalidLink("It was changed or is incomplete, or the keys of this console are others.")
        try:
            link = AnswerLink.model_validate_json(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        except (ValueError, ValidationError) as error:
            raise InvalidLink("It was made by another version of Prunella.") from error
        if link.expires_at <= now:
            raise ExpiredLink(f"It was valid until {link.expires_at:%Y-%m-%d %H:%M} UTC.")
        return link

    def keys(self) -> Sequence[bytes]:
        """The keys: the first one signs, all are accepted. Raises InvalidInputError."""
        try:
            keys = [line.strip().encode() for line in self.key_file.read_text().splitlines() if line.strip()]
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not a text file"
            raise InvalidInputError(f"link_key_file {self.key_file} cannot be read: {reason}") from None
        if not keys or min(map(len, keys)) < _MIN_KEY_CHARS:
            wanted = f"keys of at least {_MIN_KEY_CHARS} characters: openssl rand -base64 32"
            raise InvalidInputError(f"link_key_file {self.key_file} must hold {wanted}")
        return keys


def create_answer_links(settings: Settings) -> AnswerLinks | None:
    """The links that settings describe; None without link_key_file.

    Raises:
        InvalidInputError: console_url is missing, or the file has no usable key.
    """
    if settings.link_key_file is None:
        return None
    if not settings.console_url:
        raise InvalidInputError("link_key_file needs console_url: the links lead there")
    links = AnswerLinks(Path(settings.link_key_file), settings.console_url, timedelta(hours=settings.link_hours))
    links.keys()
    return links


def _sign(key: bytes, body: str) -> str:
    return _encode(hmac.new(key, _DOMAIN + body.encode(), hashlib.sha256).digest())


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
