"""Sign-in at an OpenID Connect provider: the authorization code flow with PKCE (OpenID Connect Core 1.0, RFC 7636).

The id token becomes the user's bearer token, so the API server must accept tokens of this issuer for this client.
"""

import base64
import hmac
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import Request

from prunella_operator.config.settings import Settings
from prunella_operator.console.provider import CALLBACK, IdToken, PendingSignIn, SignInFailed
from prunella_operator.integrations.openid import Configuration, InvalidToken, Issuer
from prunella_workflows.model.errors import InvalidInputError, Unavailable


@dataclass(frozen=True)
class OidcClient:
    """The console as a client of the provider. Without `secret_file` it is a public client, protected by PKCE."""

    issuer: Issuer
    client_id: str
    redirect_url: str
    scopes: tuple[str, ...] = ("openid",)
    secret_file: Path | None = None

    @property
    def name(self) -> str:
        """The provider's host, for people."""
        return urlsplit(self.issuer.url).netloc

    def address(self, pending: PendingSignIn) -> str:
        """The page of the provider to which the browser is sent. Raises Unavailable."""
        query = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_url,
            "scope": " ".join(self.scopes),
            "state": pending.state,
            "nonce": pending.nonce,
            "code_challenge": pending.challenge,
            "code_challenge_method": "S256",
        }
        page = self._endpoint("authorization_endpoint")
        return f"{page}{'&' if urlsplit(page).query else '?'}{urlencode(query)}"

    def redeem(self, answer: Mapping[str, str], pending: PendingSignIn) -> IdToken:
        """Exchange the code for the user's id token, and check it. See the port for the errors."""
        if "error" in answer:
            raise SignInFailed(f"the provider says {answer['error'][:60]}")
        issuer = self.issuer.configuration().issuer
        if answer.get("iss", issuer) != issuer:  # RFC 9207
            raise SignInFailed("the answer came from another provider")
        token = self._exchange(answer.get("code", ""), pending)
        claims = self.issuer.verify(token, self.client_id)
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), pending.nonce.encode()):
            raise InvalidToken("the token is that of another sign-in (nonce)")
        if claims.get("azp", self.client_id) != self.client_id:
            raise InvalidToken("the token was issued to another client (azp)")
        return IdToken(token, datetime.fromtimestamp(claims["exp"], UTC))

    def _exchange(self, code: str, pending: PendingSignIn) -> str:
        """The id token for a code, unchecked."""
        found = self.issuer.fetch(self._token_request(code, pending))
        token = found.get("id_token") if isinstance(found, dict) else None
        if not isinstance(token, str):
            raise InvalidToken("the provider returned no id token")
        return token

    def _token_request(self, code: str, pending: PendingSignIn) -> Request:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_url,
            "code_verifier": pending.verifier,
        }
        endpoint = self._endpoint("token_endpoint")
        credentials, headers = self._credentials(self.issuer.configuration())
        return Request(endpoint, urlencode({**form, **credentials}).encode(), headers)  # noqa: S310 - see Issuer

    def _credentials(self, configuration: Configuration) -> tuple[dict[str, str], dict[str, str]]:
        """Fields and headers that identify the client (RFC 6749, section 2.3.1)."""
        headers, secret = {"Accept": "application/json"}, self._secret()
        if not secret:
            return {"client_id": self.client_id}, headers
        if "client_secret_basic" not in configuration.token_endpoint_auth_methods_supported:
            return {"client_id": self.client_id, "client_secret": secret}, headers
        pair = f"{quote(self.client_id, safe='')}:{quote(secret, safe='')}"
        return {}, {**headers, "Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}

    def _secret(self) -> str:
        try:
            return self.secret_file.read_text().strip() if self.secret_file else ""
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not a text file"
            raise Unavailable(f"console_oidc_client_secret_file cannot be read: {reason}") from None

    def _endpoint(self, name: str) -> str:
        """An address of the provider that a sign-in needs."""
        if found := str(getattr(self.issuer.configuration(), name)):
            return found
        raise Unavailable(f"the configuration of {self.issuer.url} has no {name}")


def create_client(settings: Settings, issuer: str) -> OidcClient:
    """The client of an issuer that settings describe.

    Raises:
        InvalidInputError: a setting is missing or wrong; the message names it.
    """
    if problem := _problem(settings, issuer):
        raise InvalidInputError(problem)
    secret_file = settings.console_oidc_client_secret_file
    return OidcClient(
        Issuer(issuer, settings.console_oidc_ca_file),
        str(settings.console_oidc_client_id),
        f"{settings.console_url}{CALLBACK}",
        settings.console_oidc_scopes,
        Path(secret_file) if secret_file else None,
    )


def _problem(settings: Settings, issuer: str) -> str:
    """The error in the settings of the client; "" when there is none."""
    if not issuer.startswith("https://"):
        return "console_oidc_issuer must begin with https://: the API server accepts tokens of no other issuer"
    if not settings.console_oidc_client_id:
        return "console_oidc_issuer needs console_oidc_client_id, the id of the console at the provider"
    if not settings.console_url:
        return "console_oidc_issuer needs console_url: the provider sends people back there"
    if "openid" not in settings.console_oidc_scopes:
        return "console_oidc_scopes must contain openid, or there is no id token"
    return _unreadable(settings)


def _unreadable(settings: Settings) -> str:
    try:
        if settings.console_oidc_client_secret_file:
            Path(settings.console_oidc_client_secret_file).read_bytes()
    except OSError as error:
        return f"console_oidc_client_secret_file cannot be read: {error.strerror}"
    try:
        ssl.create_default_context(cafile=settings.console_oidc_ca_file)
    except OSError as error:  # ssl.SSLError is one
        return f"console_oidc_ca_file cannot be used: {error.strerror or 'it has no certificate'}"
    return ""
