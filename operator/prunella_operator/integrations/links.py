"""Links from a message to the full story, pages and commands, and to the answers that it asks for.

Answer links are made here, right before a message is sent, so that no workflow, status or log has one.
"""

from collections.abc import Iterator
from urllib.parse import quote

import structlog

from prunella_operator import clock
from prunella_operator.config.settings import Settings
from prunella_operator.integrations.answer_links import AnswerLinks, SignedLink
from prunella_workflows.contracts.notifications import Link, Message
from prunella_workflows.model.errors import InvalidInputError
from prunella_workflows.model.incident import Decision

_log = structlog.get_logger("prunella.notifications")
_LABELS = {Decision.APPROVED: "Approve", Decision.REJECTED: "Reject"}


def message_links(settings: Settings, message: Message, answers: AnswerLinks | None = None) -> tuple[Link, ...]:
    """Build the links that this installation has: answers, the incident's page and commands, workflow, trace, board."""
    return (*_answers(answers, message), *_links(settings, message))


def _answers(answers: AnswerLinks | None, message: Message) -> tuple[Link, ...]:
    """Links to approve and to reject. Without a usable key the message is sent without them."""
    ref, now = message.incident, clock.now()
    if answers is None or ref is None or not message.proposal:
        return ()
    try:
        made = {label: answers.make(ref, message.proposal, decision, now) for decision, label in _LABELS.items()}
    except InvalidInputError as error:
        _log.error("a message has no links to answer", incident=ref.name, error=str(error))
        return ()
    return tuple(SignedLink(label=label, target=target) for label, target in made.items())


def _links(settings: Settings, message: Message) -> Iterator[Link]:
    ref = message.incident
    if settings.console_url and ref is not None:
        yield Link(label="Console", target=f"{settings.console_url}/incidents/{quote(ref.namespace)}/{quote(ref.name)}")
    if ref is not None:
        yield Link(label="Incident", target=f"prunella incidents show {ref.name} -n {ref.namespace}")
        yield Link(label="With kubectl", target=f"kubectl -n {ref.namespace} describe incident {ref.name}")
    if message.workflow is not None and (page := settings.workflow_url(message.workflow.id, message.workflow.run_id)):
        yield Link(label="Workflow", target=page)
    if settings.trace_url and message.trace_id:
        yield Link(label="Trace", target=_fill(settings.trace_url, trace_id=message.trace_id))
    if settings.dashboard_url and ref is not None:
        page = _fill(settings.dashboard_url, namespace=ref.namespace, incident=ref.name)
        yield Link(label="Dashboard", target=page)


def _fill(page: str, **values: str) -> str:
    for name, value in values.items():
        page = page.replace(f"{{{name}}}", quote(value, safe=""))
    return page
