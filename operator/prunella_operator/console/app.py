"""The web console's HTTP side: pages for everybody who may reach it, answers for people who show a Kubernetes token.

Reads with Prunella's own account; whatever a person changes is sent to the API server with the token that he showed.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiohttp import web

from prunella_operator import clock
from prunella_operator.console import pages
from prunella_operator.console.actions import ANSWERS
from prunella_operator.console.sessions import COOKIE, LIFETIME, Session, Sessions
from prunella_operator.incidents.client import IncidentReader
from prunella_operator.presentation.html import STATIC, templates
from prunella_workflows.model.errors import Forbidden, NotFound, Permanent, PrunellaError, Retryable

_log = structlog.get_logger("prunella.console")

_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_TOKEN_AT_MOST = 16_384
_BODY_AT_MOST = 65_536

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
"""The names by which a browser on this machine reaches it."""

Readers = Callable[[str | None], IncidentReader]
"""The incidents as somebody's token sees them; None: as Prunella's own account does."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Console:
    """The pages. `workflow_url` links to Temporal; `anonymous` lets people read without a token.

    With `local` only this machine is served: then a request for another name is another site's, which had its name lead
    here to read what a browser on this machine may read.
    """

    readers: Readers
    workflow_url: Callable[[str, str], str]
    anonymous: bool = True
    local: bool = False
    sessions: Sessions = field(default_factory=Sessions)

    def __post_init__(self) -> None:
        self._templates = templates()

    def app(self) -> web.Application:
        """The application."""
        app = web.Application(middlewares=[self._guarded], client_max_size=_BODY_AT_MOST)
        app.router.add_get("/", self._overview)
        app.router.add_get("/login", self._login_page)
        app.router.add_post("/login", self._login)
        app.router.add_post("/logout", self._logout)
        app.router.add_get("/incidents/{namespace}/{name}", self._incident)
        app.router.add_post("/incidents/{namespace}/{name}", self._answer)
        app.router.add_get("/healthz", _healthz)
        app.router.add_static("/static", STATIC)
        return app

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The headers of every answer, and errors as pages."""
        try:
            self._must_be_meant(request)
            response = await handler(request)
        except web.HTTPException as answer:
            if answer.status >= 400:  # noqa: PLR2004 - an error, no redirection
                response = self._page(request, "error.html", answer.status, title=answer.reason, message="")
            else:
                answer.headers.update(_HEADERS)
                raise
        except PrunellaError as error:
            response = self._page(request, "error.html", _code(error), title="This did not work", message=str(error))
        response.headers.update(_HEADERS)
        return response

    async def _overview(self, request: web.Request) -> web.StreamResponse:
        self._must_be_let_in(request)
        found = await asyncio.to_thread(self._reader(request).find, None)
        wanted = pages.Filter.of(request.query)
        return self._page(request, "overview.html", **pages.overview(found, wanted, clock.now()))

    async def _incident(self, request: web.Request) -> web.StreamResponse:
        self._must_be_let_in(request)
        one = await asyncio.to_thread(self._reader(request).get, *_address(request))
        workflow = one.status.workflow
        url = self.workflow_url(workflow.id, workflow.run_id) if workflow else ""
        answers = pages.possible(one) if self._session(request) else []
        return self._page(request, "incident.html", **pages.page(one, clock.now(), url, answers))

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        """A person's answer, in his own name."""
        form = await request.post()
        session = self._session(request)
        if session is None or not session.sent_by_our_page(str(form.get("csrf", ""))):
            raise Forbidden("sign in first; then answer from the incident's page")
        act = ANSWERS.get(str(form.get("answer", "")))
        if act is None:
            raise web.HTTPBadRequest(reason="There is no such answer")
        namespace, name = _address(request)
        await asyncio.to_thread(act, self.readers(session.token), namespace, name, str(form.get("reason", ""))[:500])
        _log.info("answered", user=session.user, incident=name, namespace=namespace, answer=str(form["answer"]))
        raise web.HTTPSeeOther(request.path)

    async def _login_page(self, request: web.Request) -> web.StreamResponse:
        return self._page(request, "login.html", message="")

    async def _login(self, request: web.Request) -> web.StreamResponse:
        """Ask the API server who bears this token."""
        _must_come_from_us(request)
        token = str((await request.post()).get("token", "")).strip()
        if not token or len(token) > _TOKEN_AT_MOST or not token.isascii() or not token.isprintable():
            return self._page(request, "login.html", 400, message="That is no Kubernetes token.")
        try:
            user = await asyncio.to_thread(self.readers(token).whoami)
        except Permanent:
            return self._page(request, "login.html", 401, message="The API server does not know this token.")
        key = self.sessions.open(user, token, clock.now())
        answer = web.HTTPSeeOther("/")
        secure = request.secure or request.headers.get("X-Forwarded-Proto") == "https"
        age = int(LIFETIME.total_seconds())
        answer.set_cookie(COOKIE, key, max_age=age, httponly=True, samesite="Strict", secure=secure)
        raise answer

    async def _logout(self, request: web.Request) -> web.StreamResponse:
        _must_come_from_us(request)
        self.sessions.close(request.cookies.get(COOKIE, ""))
        answer = web.HTTPSeeOther("/")
        answer.del_cookie(COOKIE)
        raise answer

    def _session(self, request: web.Request) -> Session | None:
        return self.sessions.find(request.cookies.get(COOKIE, ""), clock.now())

    def _reader(self, request: web.Request) -> IncidentReader:
        """People who are signed in see what they may see; others, if anybody, what Prunella sees."""
        session = self._session(request)
        return self.readers(session.token if session else None)

    def _must_be_meant(self, request: web.Request) -> None:
        if self.local and request.url.host not in LOCAL:
            raise web.HTTPMisdirectedRequest(reason="This console serves its own machine only")

    def _must_be_let_in(self, request: web.Request) -> None:
        if not self.anonymous and self._session(request) is None:
            raise web.HTTPSeeOther("/login")

    def _page(self, request: web.Request, template: str, code: int = 200, **values: Any) -> web.Response:
        session = self._session(request)
        text = self._templates.get_template(template).render(session=session, **values)
        return web.Response(text=text, status=code, content_type="text/html")


def _must_come_from_us(request: web.Request) -> None:
    """Browsers say where a form was sent from; another site's is refused (signing somebody in unasked is an attack)."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise Forbidden("this form was sent by another site")


def _address(request: web.Request) -> tuple[str, str]:
    """Namespace and name; what cannot be a name in Kubernetes is not sent to it."""
    namespace, name = request.match_info["namespace"], request.match_info["name"]
    if not all(part.replace("-", "").replace(".", "").isalnum() and part.isascii() for part in (namespace, name)):
        raise NotFound("there is no such incident")
    return namespace, name


def _code(error: PrunellaError) -> int:
    if isinstance(error, Retryable):
        return 503
    if isinstance(error, Forbidden):
        return 403
    return 404 if isinstance(error, NotFound) else 409


async def _healthz(_: web.Request) -> web.Response:
    return web.Response(text="ok\n")
