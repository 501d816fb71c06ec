"""`prunella incidents list|show|postmortem|watch`: read incidents."""

import sys
from enum import StrEnum
from typing import Annotated, Any

import typer

from prunella_operator import clock
from prunella_operator.cli.arguments import Name, Namespace
from prunella_operator.cli.options import CONNECTION, KUBERNETES, ExitCode, Invocation, add_options
from prunella_operator.cli.output import ListFormat, ListOutput, Output, for_programs, print_document, print_list
from prunella_operator.incidents.client import Incident
from prunella_operator.presentation.incident import render_incident
from prunella_operator.presentation.terminal import (
    NO_INCIDENTS,
    console,
    incident_table,
    safe,
    wide_incident_table,
)
from prunella_operator.presentation.watch import all_closed, follow
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.model.labels import API_VERSION, GROUP

AllNamespaces = Annotated[bool, typer.Option("--all-namespaces", "-A", help="In every namespace.")]
Selector = Annotated[str, typer.Option("--selector", "-l", help="Label selector, as for kubectl.")]
_UNHEALED = {Phase.ESCALATED, Phase.FAILED}
Phases = Annotated[list[Phase] | None, typer.Option("--phase", help="Only in this phase; may be repeated.")]


@add_options(KUBERNETES)
def list_(
    invocation: Invocation,
    *,
    namespace: Namespace = None,
    all_namespaces: AllNamespaces = False,
    selector: Selector = "",
    phase: Phases = None,
    output: ListOutput = None,
) -> None:
    """List incidents, oldest first.

    Example: `prunella incidents list -A --phase Escalated`
    """
    reader = invocation.reader()
    scope = None if all_namespaces else namespace or reader.namespace
    incidents = [incident for incident in reader.find(scope, selector) if not phase or incident.phase in phase]
    out = console()
    if for_programs(output):
        found = {"apiVersion": "v1", "kind": "List", "items": [_document(incident) for incident in incidents]}
        print_list(found, (f"incident.{GROUP}/{incident.name}" for incident in incidents), output)
    elif incidents and output is ListFormat.WIDE:
        out.print(wide_incident_table(incidents, clock.now(), all_namespaces), soft_wrap=True)
    elif incidents:
        out.print(incident_table(incidents, clock.now(), all_namespaces, out.width))
    else:
        where = f" in namespace {scope}" if scope else ""
        console(typer.get_text_stream("stderr")).print(safe(NO_INCIDENTS.format(where=where)))


@add_options(CONNECTION)
def show(invocation: Invocation, *, name: Name, namespace: Namespace = None, output: Output = None) -> None:
    """Show the full history of one incident: symptoms, diagnosis, changes, and their outcome.

    Example: `prunella incidents show checkout-oom-1 -n shop`
    """
    reader = invocation.reader()
    incident = reader.get(namespace or reader.namespace, name)
    if output:
        print_document(_document(incident), output)
        return
    workflow = incident.status.workflow
    url = invocation.settings.workflow_url(workflow.id, workflow.run_id) if workflow else ""
    console().print(render_incident(incident, url), soft_wrap=not console().is_terminal)


def _document(incident: Incident) -> dict[str, Any]:
    """The object as kubectl prints it, without annotations and managed fields."""
    return {"apiVersion": API_VERSION, "kind": "Incident", **incident.to_object()}


class Page(StrEnum):
    """The format of a post-mortem."""

    MARKDOWN = "markdown"
    HTML = "html"


@add_options(KUBERNETES)
def postmortem(
    invocation: Invocation,
    *,
    name: Name,
    namespace: Namespace = None,
    output: Annotated[Page, typer.Option("--output", "-o", help="Markdown, or one HTML file.")] = Page.MARKDOWN,
) -> None:
    """Write the post-mortem of one incident: each sentence names the field of the Incident that it rests on.

    Example: `prunella incidents postmortem checkout-oom-1 -n shop > checkout-oom-1.md`
    """
    from prunella_operator.presentation.postmortem import to_html, to_markdown  # noqa: PLC0415 - as in main.py

    reader = invocation.reader()
    incident = reader.get(namespace or reader.namespace, name)
    sys.stdout.write(to_html(incident) if output is Page.HTML else to_markdown(incident))


@add_options(KUBERNETES)
def watch(
    invocation: Invocation,
    *,
    namespace: Namespace = None,
    all_namespaces: AllNamespaces = False,
    selector: Selector = "",
    until: Annotated[
        str | None,
        typer.Option(
            metavar="closed",
            help="`closed`: exit when there are incidents and all are closed; code 3 if one was escalated or failed.",
        ),
    ] = None,
) -> None:
    """Watch incidents as they change, until Ctrl-C. In a pipe it prints one line per change.

    Example: `prunella incidents watch -A --until closed`
    """
    if until not in {None, "closed"}:
        raise typer.BadParameter(f"--until {until}: the only accepted value is `closed`")
    reader = invocation.reader()
    scope = None if all_namespaces else namespace or reader.namespace
    try:
        reader.check_list(scope)
        with invocation.tools.watch(invocation.settings, scope, selector) as poll:
            closed = follow(poll, console(), clock.now, all_closed if until else lambda _: False)
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED if until else ExitCode.DONE) from None
    if any(incident.phase in _UNHEALED for incident in closed):
        raise typer.Exit(ExitCode.NO)
