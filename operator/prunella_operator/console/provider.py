"""The port to a provider at which people sign in, and the state of a sign-in that was begun."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from prunella_workflows.model.errors import Permanent

CALLBACK = "/oidc/callback"
PENDING_LIFETIME = timedelta(minutes=10)


class SignInFailed(Permanent):
    """A sign-in at the provider that cannot be finished."""


@dataclass(frozen=True)
class PendingSignIn:
    """A sign-in that one browser began. The provider returns `state` and signs `nonce`; `back` is our page."""

    back: str
    expires_at: datetime
    state: str = field(repr=False, default_factory=lambda: secrets.token_urlsafe(32))
    nonce: str = field(repr=False, default_factory=lambda: secrets.token_urlsafe(32))
    verifier: str = field(repr=False, default_factory=lambda: secrets.token_urlsafe(48))

    @property
    def challenge(self) -> str:
        """The digest of the verifier, which the provider may know (S256)."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def is_answered_by(self, state: str) -> bool:
        """True if the provider answers this sign-in."""
        return hmac.compare_digest(self.state.encode(), state.encode())


@dataclass(frozen=True)
class IdToken:
    """A token that the provider signed for a user of the console."""

    text: str = field(repr=False)
    expires_at: datetime


class Provider(Protocol):
    """A provider that signs tokens which the API server accepts. Its methods block: call them in a thread."""

    @property
    def name(self) -> str:
        """Its host, for people."""

    @property
    def client_id(self) -> str:
        """The name that it knows the console by."""

    def address(self, pending: PendingSignIn) -> str:
        """The page of the provider to which the browser is sent. Raises Unavailable."""

    def redeem(self, answer: Mapping[str, str], pending: PendingSignIn) -> IdToken:
        """The user's token, for the answer that the browser brings back.

        Raises:
            SignInFailed: the provider's answer is an error, or comes from another provider.
            ProviderRefused: the code is not valid, or not ours.
            InvalidToken: the token is not for this sign-in.
            Unavailable: the provider does not answer.
        """
