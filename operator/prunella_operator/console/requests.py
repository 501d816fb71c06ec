"""Shared by the pages: how they read incidents and are rendered, and the checks of a request."""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from prunella_operator.console.sessions import Session
from prunella_operator.incidents.client import IncidentReader
from prunella_workflows.model.errors import Forbidden, NotFound

MAX_REASON_CHARS = 500
_OWN_PAGE = re.compile(r"/(services|incidents/[a-z0-9.-]+/[a-z0-9.-]+|answers/[A-Za-z0-9_.-]+)?")

Readers = Callable[[str | None], IncidentReader]
"""A reader of incidents with a user's token; None: with Prunella's own account."""
FindSession = Callable[[web.Request], Session | None]
"""The session of the browser that sent a request."""
Render = Callable[..., web.Response]
"""Render a page: request, template, status code, and the template's values by name."""


def refuse_cross_site(request: web.Request) -> None:
    """Refuse forms of other sites, by the header browsers send (signing a user in without consent is an attack)."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise Forbidden("this form was sent by another site")


def require_consent(session: Session | None, form: Mapping[str, Any]) -> Session:
    """The session, when the form came from a page that we rendered for it. Raises Forbidden."""
    if session is None or not session.has_csrf(str(form.get("csrf", ""))):
        raise Forbidden("sign in first, then act from the incident's page")
    return session


def parse_reason(form: Mapping[str, Any]) -> str:
    """The reason in a form."""
    return str(form.get("reason", ""))[:MAX_REASON_CHARS]


def parse_path(request: web.Request) -> tuple[str, str]:
    """Namespace and name; anything that is not a valid Kubernetes name is not sent to the API server."""
    namespace, name = request.match_info["namespace"], request.match_info["name"]
    if not all(part.replace("-", "").replace(".", "").isalnum() and part.isascii() for part in (namespace, name)):
        raise NotFound("there is no such incident")
    return namespace, name


def login_path(request: web.Request) -> str:
    """The page to sign in, from which people come back to this one."""
    back = own_page(request.path)
    return "/login" if back == "/" else f"/login?{urlencode({'back': back})}"


def own_page(path: str) -> str:
    """A path that is a page of ours; the front page instead of anything else, such as another site."""
    return path if _OWN_PAGE.fullmatch(path) else "/"


def is_secure(request: web.Request) -> bool:
    """True if the browser reached us by TLS, which a proxy may have ended."""
    return request.secure or request.headers.get("X-Forwarded-Proto") == "https"
