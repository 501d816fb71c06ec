"""Links from a message to the full story: pages and commands."""

from collections.abc import Iterator
from urllib.parse import quote

from prunella_operator.config.settings import Settings
from prunella_workflows.contracts.notifications import Link, Message


def message_links(settings: Settings, message: Message) -> tuple[Link, ...]:
    """Build the links that this installation has: the incident's page and commands, workflow, trace and dashboard."""
    return tuple(_links(settings, message))


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
