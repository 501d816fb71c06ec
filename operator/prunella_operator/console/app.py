"""The web console's HTTP application: pages for anyone who can reach it, actions with the user's Kubernetes token."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiohttp import web

from prunella_operator import clock
from prunella_operator.console import pages
from prunella_operator.console.actions import ACTIONS
from prunella_operator.console.service_map import Row, services_page
from prunella_operator.console.sessions import COOKIE, LIFETIME, Session, Sessions
from prunella_operator.incidents.client import IncidentReader
from prunella_operator.incidents.summary import IncidentSummary
from prunella_operator.presentation.html import STATIC, make_environment
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
_MAX_TOKEN_CHARS = 16_384
_MAX_BODY_BYTES = 65_536
_MAX_REASON_CHARS = 500

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
"""Host names that browsers on this machine use."""

Readers = Callable[[str | None], IncidentReader]
"""A reader of incidents with a user's token; None: with Prunella's own account."""
Telemetry = Callable[[], Awaitable[Mapping[str, Sequence[Row]]]]
"""Reads the services and their calls."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Console:
    """The pages. `incidents` are those of `namespaces`, or of all, from an index that Prunella's own account keeps.
    `workflow_url` links to Temporal; `anonymous` allows reading without a token. `telemetry` reads what the page of
    services shows.
    With `local`, other host names are refused: DNS rebinding, by a site that wants to read what a local browser may.
    """

    readers: Readers
    incidents: Callable[[], Sequence[IncidentSummary]]
    workflow_url: Callable[[str, str], str]
    anonymous: bool = True
    local: bool = False
    telemetry: Telemetry | None = None
    namespaces: tuple[str, ...] = ()
    sessions: Sessions = field(default_factory=Sessions)

    def __post_init__(self) -> None:
        self._environment = make_environment()
        self._overviews = pages.Overviews()
        self._environment.globals["has_services"] = self.telemetry is not None

    def app(self) -> web.Application:
        """The application."""
        app = web.Application(middlewares=[self._handle], client_max_size=_MAX_BODY_BYTES)
        app.router.add_get("/", self._overview)
        app.router.add_get("/login", self._login_page)
        app.router.add_post("/login", self._login)
        app.router.add_post("/logout", self._logout)
        app.router.add_get("/incidents/{namespace}/{name}", self._incident)
        app.router.add_post("/incidents/{namespace}/{name}", self._act)
        app.router.add_get("/healthz", _healthz)
        if self.telemetry is not None:
            app.router.add_get("/services", self._services)
        app.router.add_static("/static", STATIC)
        return app

    @web.middleware
    async def _handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Add the security headers to every response, and render errors as pages."""
        try:
            self._require_local_host(request)
            response = await handler(request)
        except web.HTTPException as error:
            if error.status >= 400:  # noqa: PLR2004 - an error, not a redirect
                response = self._page(request, "error.html", error.status, title=error.reason, message="")
            else:
                error.headers.update(_HEADERS)
                raise
        except PrunellaError as error:
            response = self._page(request, "error.html", _code(error), title="Request failed", message=str(error))
        response.headers.update(_HEADERS)
        return response

    async def _overview(self, request: web.Request) -> web.StreamResponse:
        self._require_access(request)
        incidents = await self._list(request)
        wanted = pages.Filter.from_query(request.query)
        return self._page(request, "overview.html", **self._overviews.page(incidents, wanted))

    async def _incident(self, request: web.Request) -> web.StreamResponse:
        self._require_access(request)
        incident = await asyncio.to_thread(self._reader(request).get, *_parse_path(request))
        workflow = incident.status.workflow
        url = self.workflow_url(workflow.id, workflow.run_id) if workflow else ""
        actions = pages.possible_actions(incident) if self._session(request) else []
        return self._page(request, "incident.html", **pages.incident_page(incident, clock.now(), url, actions))

    async def _services(self, request: web.Request) -> web.StreamResponse:
        """The map of services, for those who may list the incidents of the whole cluster."""
        self._require_access(request)
        assert self.telemetry is not None
        incidents = await self._list(request)
        return self._page(request, "services.html", **services_page(await self.telemetry(), incidents))

    async def _act(self, request: web.Request) -> web.StreamResponse:
        """Act on an incident, in the user's own name."""
        form = await request.post()
        session = self._session(request)
        if session is None or not session.has_csrf(str(form.get("csrf", ""))):
            raise Forbidden("sign in first, then act from the incident's page")
        action = str(form.get("action", ""))
        if action not in ACTIONS:
            raise web.HTTPBadRequest(reason="There is no such action")
        namespace, name = _parse_path(request)
        reason = str(form.get("reason", ""))[:_MAX_REASON_CHARS]
        await asyncio.to_thread(ACTIONS[action], self.readers(session.token), namespace, name, reason)
        _log.info("action taken", user=session.user, incident=name, namespace=namespace, action=action)
        raise web.HTTPSeeOther(request.path)

    async def _login_page(self, request: web.Request) -> web.StreamResponse:
        return self._page(request, "login.html", message="")

    async def _login(self, request: web.Request) -> web.StreamResponse:
        """Authenticate the token with the API server."""
        _refuse_cross_site(request)
        token = str((await request.post()).get("token", "")).strip()
        if not token or len(token) > _MAX_TOKEN_CHARS or not token.isascii() or not token.isprintable():
            return self._page(request, "login.html", 400, message="This is not a Kubernetes token.")
        try:
            user = await asyncio.to_thread(self.readers(token).whoami)
        except Permanent:
            return self._page(request, "login.html", 401, message="The API server rejected this token.")
        key = self.sessions.open(user, token, clock.now())
        response = web.HTTPSeeOther("/")
        secure = request.secure or request.headers.get("X-Forwarded-Proto") == "https"
        age = int(LIFETIME.total_seconds())
        response.set_cookie(COOKIE, key, max_age=age, httponly=True, samesite="Strict", secure=secure)
        raise response

    async def _logout(self, request: web.Request) -> web.StreamResponse:
        _refuse_cross_site(request)
        self.sessions.close(request.cookies.get(COOKIE, ""))
        response = web.HTTPSeeOther("/")
        response.del_cookie(COOKIE)
        raise response

    def _session(self, request: web.Request) -> Session | None:
        return self.sessions.find(request.cookies.get(COOKIE, ""), clock.now())

    def _reader(self, request: web.Request) -> IncidentReader:
        """Signed-in users read with their own permissions, anonymous ones with Prunella's."""
        session = self._session(request)
        return self.readers(session.token if session else None)

    async def _list(self, request: web.Request) -> Sequence[IncidentSummary]:
        """All incidents. Raises Forbidden for a signed-in user whom the API server does not let list them."""
        if self._session(request) is not None:
            for namespace in self.namespaces or (None,):
                await asyncio.to_thread(self._reader(request).check_list, namespace)
        return self.incidents()

    def _require_local_host(self, request: web.Request) -> None:
        if self.local and request.url.host not in LOCAL:
            raise web.HTTPMisdirectedRequest(reason="This console only serves its own machine")

    def _require_access(self, request: web.Request) -> None:
        if not self.anonymous and self._session(request) is None:
            raise web.HTTPSeeOther("/login")

    def _page(self, request: web.Request, template: str, code: int = 200, **values: Any) -> web.Response:
        session = self._session(request)
        text = self._environment.get_template(template).render(session=session, **values)
        return web.Response(text=text, status=code, content_type="text/html")


def _refuse_cross_site(request: web.Request) -> None:
    """Refuse forms of other sites, by the header browsers send (signing a user in without consent is an attack)."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise Forbidden("this form was sent by another site")


def _parse_path(request: web.Request) -> tuple[str, str]:
    """Namespace and name; anything that is not a valid Kubernetes name is not sent to the API server."""
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
