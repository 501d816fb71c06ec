"""Permission to decrypt: for the bearer of a token from a file, or of one that an OpenID provider signed for us."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from prunella_operator.alerts.tokens import NoTokens, TokenFile
from prunella_operator.config.settings import Settings
from prunella_operator.integrations.openid import InvalidToken, Issuer
from prunella_workflows.model.errors import InvalidInputError, Unavailable

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
        ways.append(OidcTokens(Issuer(settings.codec_oidc_issuer), settings.codec_oidc_audience).identify)
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


@dataclass(frozen=True)
class OidcTokens:
    """Access tokens (JWT) that an issuer signed for an audience."""

    issuer: Issuer
    audience: str

    async def identify(self, authorization: str) -> str | None:
        """Accept a token that is signed, for our audience, and not expired. The name is its subject."""
        scheme, _, token = authorization.partition(" ")
        return await asyncio.to_thread(self._subject, token.strip()) if scheme.lower() == "bearer" else None

    def _subject(self, token: str) -> str | None:
        try:
            return str(self.issuer.verify(token, self.audience)["sub"])
        except InvalidToken:
            return None
