"""Answers by the links in messages: a page that shows the repair, and a button. Opening a link changes nothing.

A link is used up by the answer that the Incident records, so every replica knows, and a restart forgets nothing.
"""

import asyncio

import structlog
from aiohttp import web

from prunella_operator import clock
from prunella_operator.console.pages import is_refused
from prunella_operator.console.requests import (
    FindSession,
    Readers,
    Render,
    login_path,
    parse_reason,
    refuse_cross_site,
    require_consent,
)
from prunella_operator.incidents.client import Incident, IncidentReader, decide_on
from prunella_operator.integrations.answer_links import AnswerLink, AnswerLinks, InvalidLink
from prunella_workflows.model.errors import Conflict, InvalidInputError, Permanent, Unavailable
from prunella_workflows.model.incident import Approval, IncidentRef
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.model.proposal import proposal_id

_log = structlog.get_logger("prunella.console")
_MAX_TRIES = 5


class Unanswerable(Permanent):
    """The incident does not wait for the answer of this link any more."""

    def __init__(self, message: str, incident: IncidentRef) -> None:
        super().__init__(message)
        self.incident = incident


class Answers:
    """The pages of the links. `find_session` is of the person who opened one."""

    def __init__(self, links: AnswerLinks, readers: Readers, find_session: FindSession, render: Render) -> None:
        self._links = links
        self._readers = readers
        self._find_session = find_session
        self._render = render

    def routes(self) -> list[web.RouteDef]:
        """The addresses that are served."""
        return [web.get("/answers/{token}", self._show), web.post("/answers/{token}", self._answer)]

    async def _show(self, request: web.Request) -> web.StreamResponse:
        """Show what would be done, to people who have signed in."""
        try:
            link = self._read(request)
            session = self._find_session(request)
            if session is None:
                raise web.HTTPSeeOther(login_path(request))
            incident = await asyncio.to_thread(find_incident, self._readers(session.token), link)
        except (InvalidLink, Unanswerable) as error:
            return self._refused(request, error)
        return self._render(request, "answer.html", link=link, incident=incident, status=incident.status)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        """Answer in the user's own name."""
        refuse_cross_site(request)
        form = await request.post()
        session = require_consent(self._find_session(request), form)
        try:
            link = self._read(request)
            await asyncio.to_thread(answer, self._readers(session.token), link, parse_reason(form))
        except (InvalidLink, Unanswerable) as error:
            return self._refused(request, error)
        ref, user = link.incident, session.user
        _log.info("link used", user=user, incident=ref.name, namespace=ref.namespace, decision=link.decision)
        raise web.HTTPSeeOther(f"/incidents/{ref.namespace}/{ref.name}")

    def _read(self, request: web.Request) -> AnswerLink:
        """The link that was opened. Raises InvalidLink, Unavailable."""
        try:
            return self._links.read(request.match_info["token"], clock.now())
        except InvalidInputError as error:
            _log.error("links cannot be read", error=str(error))
            raise Unavailable("the keys of links cannot be read: see the log of the console") from error

    def _refused(self, request: web.Request, error: InvalidLink | Unanswerable) -> web.Response:
        ref = error.incident if isinstance(error, Unanswerable) else None
        return self._render(request, "refused_link.html", 410, message=str(error), ref=ref)


def answer(reader: IncidentReader, link: AnswerLink, reason: str) -> None:
    """Write the answer to the very object that was checked. Raises Unanswerable, Conflict, Forbidden."""
    for _ in range(_MAX_TRIES):
        incident = find_incident(reader, link)
        try:
            decide_on(reader, incident, link.decision, reason, unchanged=True)
        except Conflict:  # someone wrote to it meanwhile, maybe an answer: look again
            continue
        return
    raise Conflict("the incident changes faster than it can be answered: try again")


def find_incident(reader: IncidentReader, link: AnswerLink) -> Incident:
    """The incident that waits for the answer of a link. Raises Unanswerable, NotFound, Forbidden."""
    incident = reader.get(link.incident.namespace, link.incident.name)
    if obstacle := _obstacle(incident, link):
        raise Unanswerable(obstacle, link.incident)
    return incident


def _obstacle(incident: Incident, link: AnswerLink) -> str:
    """Why the link is of no use any more; "" while it is."""
    if incident.metadata.uid != link.incident.uid:
        return "It is about an earlier incident of this name, which was deleted."
    if incident.spec.approval is not None:
        return _describe_answer(incident, incident.spec.approval)
    if incident.phase is not Phase.AWAITING_APPROVAL:
        return f"The incident does not wait for an approval any more: it is {incident.phase_label}."
    if proposal_id(incident.status) != link.proposal:
        return "The proposed repair is another one since this message was sent: look at the incident."
    return ""


def _describe_answer(incident: Incident, approval: Approval) -> str:
    """The answer that was given, with its time once Prunella has taken it."""
    taken = next(
        (one for one in incident.status.conditions if one.type == "Approved" and one.status != "Unknown"), None
    )
    at = f" at {taken.last_transition_time:%Y-%m-%d %H:%M:%S} UTC" if taken else ""
    text = f"It was answered already: {approval.decision} by {approval.by or 'someone'}{at}."
    return f"{text} {incident.status.message} Answer on the incident's page." if is_refused(incident) else text
