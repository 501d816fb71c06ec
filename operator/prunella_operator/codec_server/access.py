"""Permission to decrypt: for the bearer of a token from a file, or of one that an OpenID provider signed for us."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

import jwt

from prunella_operator.alerts.tokens import NoTokens, TokenFile
from prunella_operator.config.settings import Settings
from prunella_workflows.model.errors import InvalidInputError, Unavailable

_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures by a private key. Those by a shared secret (HS256) could be made with the published keys."""
_REQUIRED_CLAIMS = ("exp", "iss", "aud", "sub")
_DISCOVERY = "/.well-known/openid-configuration"
_TIMEOUT_SECONDS = 5.0

Identify = Callable[[str], Awaitable[str | None]]
"""Names the caller by their Authorization header, for the log; None: refused. Raises Unavailable."""


def create_identify(settings: Settings) -> Identify:
    """Accept the tokens that settings select. Raises InvalidInputError when they select none."""
    ways: list[Identify] = []
    if settings.codec_token_file:
        ways.append(FileTokens(TokenFile(Path(settings.codec_token_file), "codec server")).identify)
    if settings.codec_oidc_issuer:
        if not settings.codec_oidc_audience:
            raise InvalidInputError(
                "codec_oidc_issuer needs codec_oidc_audience, or a token for any application would do"
            )
        ways.append(OidcTokens(settings.codec_oidc_issuer, settings.codec_oidc_audience).identify)
    if not ways:
        raise InvalidInputError("set codec_token_file or codec_oidc_issuer: each request needs a token")
    return lambda authorization: _first(ways, authorization)


async def _first(ways: Sequence[Identify], authorization: str) -> str | None:
    for identify in ways:
        if name := await identify(authorization):
            return name
    return None


@dataclass(frozen=True)
class FileTokens:
    """The tokens of a file."""

    file: TokenFile

    async def identify(self, authorization: str) -> str | None:
        """Accept a token of the file."""
        try:
            return "token file" if self.file.accepts(authorization) else None
        except NoTokens as error:
            raise Unavailable(str(error)) from error


@dataclass
class OidcTokens:
    """Access tokens (JWT) that an issuer signed for an audience. Its keys are fetched when the first token comes."""

    issuer: str
    audience: str
    _keys: jwt.PyJWKClient | None = field(default=None, repr=False)
    _issuer_claim: str = ""

    async def identify(self, authorization: str) -> str | None:
        """Accept a token that is signed, for our audience, and not expired. The name is its subject."""
        scheme, _, token = authorization.partition(" ")
        return await asyncio.to_thread(self._subject, token.strip()) if scheme.lower() == "bearer" else None

    def _subject(self, token: str) -> str | None:
        try:
            jwt.get_unverified_header(token)  # anything else never reaches the issuer
            key = self._discover().get_signing_key_from_jwt(token)
            claims = jwt.decode(
                token,
                key,
                list(_ALGORITHMS),
                options={"require": list(_REQUIRED_CLAIMS)},
                audience=self.audience,
                issuer=self._issuer_claim,
            )
        except (jwt.PyJWKClientConnectionError, HTTPException, OSError) as error:
            raise Unavailable(f"the issuer {self.issuer} does not answer: {error}") from error
        except jwt.PyJWTError:
            return None
        return str(claims["sub"])

    def _discover(self) -> jwt.PyJWKClient:
        """The issuer's keys (OpenID Connect Discovery 1.0). Raises OSError, or Unavailable for a senseless answer."""
        if self._keys is None:
            with urlopen(self.issuer + _DISCOVERY, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310 - http(s), by the setting
                text = answer.read()
            try:
                found = json.loads(text)
                self._issuer_claim, self._keys = found["issuer"], jwt.PyJWKClient(found["jwks_uri"])
            except (ValueError, KeyError, TypeError, jwt.PyJWKClientError) as error:
                raise Unavailable(f"{self.issuer}{_DISCOVERY} is no OpenID configuration") from error
        return self._keys
