"""The web console's HTTP application: pages for anyone who can reach it, actions with the user's Kubernetes token."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from aiohttp import web

from prunella_operator import clock
from prunella_operator.console import pages
from prunella_operator.console.actions import ACTIONS
from prunella_operator.console.answers import Answers
from prunella_operator.console.provider import Provider
from prunella_operator.console.requests import Readers, login_path, parse_path, parse_reason, require_consent
from prunella_operator.console.service_map import Row, services_page
from prunella_operator.console.sessions import Session
from prunella_operator.console.sign_in import SignIn
from prunella_operator.incidents.client import IncidentReader
from prunella_operator.incidents.summary import IncidentSummary
from prunella_operator.integrations.answer_links import AnswerLinks
from prunella_operator.presentation.html import STATIC, make_environment
from prunella_workflows.model.errors import Forbidden, NotFound, PrunellaError, Retryable

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
_MAX_BODY_BYTES = 65_536

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
"""Host names that browsers on this machine use."""

Telemetry = Callable[[], Awaitable[Mapping[str, Sequence[Row]]]]
"""Reads the services and their calls."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Console:
    """The pages. `incidents` are those of `namespaces`, or of all, from an index that Prunella's own account keeps.
    `workflow_url` links to Temporal; `anonymous` allows reading without a token. `telemetry` reads what the page of
    services shows. `provider` is where people may sign in; `links` are those of messages that ask for an answer.
    With `local`, other host names are refused: DNS rebinding, by a site that wants to read what a local browser may.
    """

    readers: Readers
    incidents: Callable[[], Sequence[IncidentSummary]]
    workflow_url: Callable[[str, str], str]
    anonymous: bool = True
    local: bool = False
    telemetry: Telemetry | None = None
    namespaces: tuple[str, ...] = ()
    provider: Provider | None = None
    links: AnswerLinks | None = None

    def __post_init__(self) -> None:
        self._environment = make_environment()
        self._overviews = pages.Overviews()
        self._sign_in = SignIn(self.readers, self._page, self.provider)
        self._environment.globals["has_services"] = self.telemetry is not None

    def app(self) -> web.Application:
        """The application."""
        app = web.Application(middlewares=[self._handle], client_max_size=_MAX_BODY_BYTES)
        app.router.add_routes(self._sign_in.routes())
        app.router.add_get("/", self._overview)
        app.router.add_get("/incidents/{namespace}/{name}", self._incident)
        app.router.add_post("/incidents/{namespace}/{name}", self._act)
        app.router.add_get("/healthz", _healthz)
        if self.telemetry is not None:
            app.router.add_get("/services", self._services)
        if self.links is not None:
            app.router.add_routes(Answers(self.links, self.readers, self._session, self._page).routes())
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
        incident = await asyncio.to_thread(self._reader(request).get, *parse_path(request))
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
        session = require_consent(self._session(request), form)
        action = str(form.get("action", ""))
        if action not in ACTIONS:
            raise web.HTTPBadRequest(reason="There is no such action")
        namespace, name = parse_path(request)
        reader = self.readers(session.token)
        await asyncio.to_thread(ACTIONS[action], reader, namespace, name, parse_reason(form))
        _log.info("action taken", user=session.user, incident=name, namespace=namespace, action=action)
        raise web.HTTPSeeOther(request.path)

    def _session(self, request: web.Request) -> Session | None:
        return self._sign_in.session(request)

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
            raise web.HTTPSeeOther(login_path(request))

    def _page(self, request: web.Request, template: str, code: int = 200, **values: Any) -> web.Response:
        session = self._session(request)
        text = self._environment.get_template(template).render(session=session, **values)
        return web.Response(text=text, status=code, content_type="text/html")


def _code(error: PrunellaError) -> int:
    if isinstance(error, Retryable):
        return 503
    if isinstance(error, Forbidden):
        return 403
    return 404 if isinstance(error, NotFound) else 409


async def _healthz(_: web.Request) -> web.Response:
    return web.Response(text="ok\n")
