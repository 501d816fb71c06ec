"""Signing in and out: with a Kubernetes token, or at an OpenID Connect provider. Both end in a session."""

import asyncio

import structlog
from aiohttp import web

from prunella_operator import clock
from prunella_operator.console.provider import (
    CALLBACK,
    PENDING_LIFETIME,
    IdToken,
    PendingSignIn,
    Provider,
    SignInFailed,
)
from prunella_operator.console.requests import Readers, Render, is_secure, own_page, refuse_cross_site
from prunella_operator.console.sessions import COOKIE, LIFETIME, Session, Store
from prunella_workflows.model.errors import Permanent, PrunellaError, Retryable

_log = structlog.get_logger("prunella.console")

_PENDING_COOKIE = "prunella_sign_in"
_MAX_TOKEN_CHARS = 16_384


class SignIn:
    """The pages to sign in and out, and the sessions."""

    def __init__(self, readers: Readers, render: Render, provider: Provider | None) -> None:
        self._readers = readers
        self._render = render
        self._provider = provider
        self._sessions: Store[Session] = Store()
        self._pending: Store[PendingSignIn] = Store()

    def routes(self) -> list[web.RouteDef]:
        """The addresses that are served."""
        own = [web.get("/login", self._form), web.post("/login", self._by_token), web.post("/logout", self._sign_out)]
        if self._provider is None:
            return own
        return [*own, web.get("/oidc/login", self._to_provider), web.get(CALLBACK, self._from_provider)]

    def session(self, request: web.Request) -> Session | None:
        """The session of the browser that sent a request."""
        return self._sessions.find(request.cookies.get(COOKIE, ""), clock.now())

    async def _form(self, request: web.Request) -> web.StreamResponse:
        return self._page(request, 200, "", request.query.get("back", ""))

    async def _by_token(self, request: web.Request) -> web.StreamResponse:
        """Authenticate the token with the API server."""
        refuse_cross_site(request)
        form = await request.post()
        token, back = str(form.get("token", "")).strip(), str(form.get("back", ""))
        if not token or len(token) > _MAX_TOKEN_CHARS or not token.isascii() or not token.isprintable():
            return self._page(request, 400, "This is not a Kubernetes token.", back)
        try:
            user = await asyncio.to_thread(self._readers(token).whoami)
        except Permanent:
            return self._page(request, 401, "The API server rejected this token.", back)
        raise self._open(request, Session(user, token, clock.now() + LIFETIME), back)

    async def _to_provider(self, request: web.Request) -> web.StreamResponse:
        """Send the browser to the provider. Only this browser can finish this sign-in."""
        assert self._provider is not None
        now = clock.now()
        pending = PendingSignIn(own_page(request.query.get("back", "")), now + PENDING_LIFETIME)
        try:
            address = await asyncio.to_thread(self._provider.address, pending)
        except PrunellaError as error:
            return self._failed(request, error, pending.back)
        response = web.HTTPSeeOther(address)
        self._set_cookie(request, response, _PENDING_COOKIE, self._pending.add(pending, now), PENDING_LIFETIME.seconds)
        raise response

    async def _from_provider(self, request: web.Request) -> web.StreamResponse:
        """Finish a sign-in that this browser began."""
        pending = self._pending.take(request.cookies.get(_PENDING_COOKIE, ""), clock.now())
        back = pending.back if pending else "/"
        try:
            token = await asyncio.to_thread(self._redeem, pending, dict(request.query))
            user = await asyncio.to_thread(self._whoami, token)
        except PrunellaError as error:
            return self._failed(request, error, back)
        raise self._open(request, Session(user, token.text, min(token.expires_at, clock.now() + LIFETIME)), back)

    def _redeem(self, pending: PendingSignIn | None, answer: dict[str, str]) -> IdToken:
        """The user's token, for the provider's answer to the sign-in that this browser began."""
        assert self._provider is not None
        if pending is None or not pending.is_answered_by(answer.get("state", "")):
            raise SignInFailed("this browser did not begin it, or more than ten minutes ago")
        return self._provider.redeem(answer, pending)

    def _whoami(self, token: IdToken) -> str:
        assert self._provider is not None
        try:
            return self._readers(token.text).whoami()
        except Permanent as error:
            text = f"the API server does not accept tokens of {self._provider.name}: configure it for the same issuer"
            raise SignInFailed(f"{text} and client id ({self._provider.client_id})") from error

    def _failed(self, request: web.Request, error: PrunellaError, back: str) -> web.Response:
        """The page to sign in again, with the reason."""
        _log.warning("sign-in failed", error=str(error))
        text = f"Sign-in failed: {error}. Try again, or use a Kubernetes token."
        return self._page(request, 503 if isinstance(error, Retryable) else 401, text, back)

    def _open(self, request: web.Request, session: Session, back: str) -> web.HTTPSeeOther:
        """Open a session, and lead back to the page that wanted it."""
        now = clock.now()
        response = web.HTTPSeeOther(own_page(back))
        age = max(0, round((session.expires_at - now).total_seconds()))
        self._set_cookie(request, response, COOKIE, self._sessions.add(session, now), age)
        response.del_cookie(_PENDING_COOKIE)
        return response

    @staticmethod
    def _set_cookie(request: web.Request, response: web.HTTPSeeOther, name: str, key: str, age: int) -> None:
        """Scripts cannot read it. Lax, because links in messages and the provider lead here from other sites."""
        response.set_cookie(name, key, max_age=age, httponly=True, samesite="Lax", secure=is_secure(request))

    async def _sign_out(self, request: web.Request) -> web.StreamResponse:
        refuse_cross_site(request)
        self._sessions.take(request.cookies.get(COOKIE, ""), clock.now())
        response = web.HTTPSeeOther("/")
        response.del_cookie(COOKIE)
        raise response

    def _page(self, request: web.Request, code: int, message: str, back: str) -> web.Response:
        provider = self._provider.name if self._provider else ""
        return self._render(request, "login.html", code, message=message, provider=provider, back=own_page(back))
