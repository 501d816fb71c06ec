"""An OpenID Connect provider: its configuration, its keys, and the tokens that it signed. Synchronous: use a thread."""

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import jwt
from pydantic import BaseModel, ConfigDict, ValidationError

from prunella_workflows.model.errors import Permanent, Unavailable

_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures by a private key. Those by a shared secret (HS256) could be made with the published keys."""
_REQUIRED_CLAIMS = ("exp", "iss", "aud", "sub")
_DISCOVERY = "/.well-known/openid-configuration"
_TIMEOUT_SECONDS = 5.0
_SKEW_SECONDS = 30.0  # of the clocks of two machines
_MAX_BYTES = 1 << 20


class InvalidToken(Permanent):
    """The provider did not sign this token for us, or it has expired. The message never contains the token."""


class ProviderRefused(Permanent):
    """The provider rejects our request."""


class Configuration(BaseModel):
    """The provider's description of itself (OpenID Connect Discovery 1.0), as far as it is used here."""

    model_config = ConfigDict(frozen=True)

    issuer: str
    jwks_uri: str
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses that are called, or that browsers are sent to."""
        return tuple(filter(None, (self.jwks_uri, self.authorization_endpoint, self.token_endpoint)))


@dataclass
class Issuer:
    """The provider at a URL. `ca_file` is a PEM file with the CA of its certificate; None: the system's.

    Its configuration and keys are fetched when they are first needed.
    """

    url: str
    ca_file: str | None = None
    _configuration: Configuration | None = field(default=None, init=False, repr=False)
    _keys: jwt.PyJWKClient | None = field(default=None, init=False, repr=False)

    def configuration(self) -> Configuration:
        """The provider's configuration. Raises Unavailable when there is none, or that of another issuer."""
        if self._configuration is None:
            self._configuration = self._discover()
        return self._configuration

    def verify(self, token: str, audience: str) -> dict[str, Any]:
        """Return the claims of a token that is signed, for this audience, and not expired.

        Raises:
            InvalidToken: it is not.
            Unavailable: the provider does not answer.
        """
        with self._translating():
            jwt.get_unverified_header(token)  # anything else never reaches the provider
            key = self._signing_keys().get_signing_key_from_jwt(token)
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                list(_ALGORITHMS),
                options={"require": list(_REQUIRED_CLAIMS)},
                audience=audience,
                issuer=self.configuration().issuer,
                leeway=_SKEW_SECONDS,
            )
        return claims

    def fetch(self, request: str | Request) -> Any:
        """The JSON that an address of the provider answers. Raises ProviderRefused, Unavailable."""
        with self._translating(), urlopen(request, timeout=_TIMEOUT_SECONDS, context=self._context()) as answer:  # noqa: S310 - https, or http by the setting
            return json.loads(answer.read(_MAX_BYTES))

    def _discover(self) -> Configuration:
        """Fetch the configuration. No address in it may have less protection than the issuer's."""
        try:
            found = Configuration.model_validate(self.fetch(self.url + _DISCOVERY))
        except (ValidationError, ProviderRefused) as error:
            raise Unavailable(f"{self.url}{_DISCOVERY} is no OpenID configuration") from error
        if found.issuer.rstrip("/") != self.url:
            raise Unavailable(f"{self.url}{_DISCOVERY} is the configuration of another issuer, {found.issuer}")
        scheme = self.url.partition("://")[0]
        if wrong := [address for address in found.addresses if address.partition("://")[0] not in ("https", scheme)]:
            raise Unavailable(f"{self.url}{_DISCOVERY} has an address without TLS: {wrong[0]}")
        return found

    def _signing_keys(self) -> jwt.PyJWKClient:
        if self._keys is None:
            uri = self.configuration().jwks_uri
            self._keys = jwt.PyJWKClient(uri, timeout=_TIMEOUT_SECONDS, ssl_context=self._context())
        return self._keys

    def _context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca_file)

    @contextmanager
    def _translating(self) -> Iterator[None]:
        """Translate what the libraries raise."""
        try:
            yield
        except HTTPError as error:
            with error:
                raise self._refusal(error) from error
        except (jwt.PyJWKClientConnectionError, HTTPException, OSError) as error:
            raise Unavailable(f"the issuer {self.url} does not answer: {error}") from error
        except jwt.PyJWTError as error:
            raise InvalidToken(str(error)) from error
        except ValueError as error:
            raise Unavailable(f"the issuer {self.url} does not answer with JSON") from error

    def _refusal(self, error: HTTPError) -> Permanent | Unavailable:
        """The error of a status code; a code of RFC 6749 says more, and is all that is quoted."""
        if not 400 <= error.code < 500:  # noqa: PLR2004 - the client's errors
            return Unavailable(f"the issuer {self.url} answers with status {error.code}")
        return ProviderRefused(f"the issuer {self.url} refuses: {_error_code(error) or f'status {error.code}'}")


def _error_code(error: HTTPError) -> str:
    try:
        code = json.loads(error.read(_MAX_BYTES))["error"]
    except (ValueError, KeyError, TypeError, OSError):
        return ""
    return code if isinstance(code, str) and code.replace("_", "").isalnum() and code.isascii() else ""
