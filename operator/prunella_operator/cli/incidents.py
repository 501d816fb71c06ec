"""`prunella incidents list|show|watch`: read incidents."""

import json
from typing import Annotated

import typer

from prunella_operator import clock
from prunella_operator.cli.arguments import Name, Namespace
from prunella_operator.cli.options import (
    Context,
    Json,
    Kubeconfig,
    TemporalAddress,
    TemporalNamespace,
    flags,
    load,
    tools_of,
)
from prunella_operator.presentation.incident import story
from prunella_operator.presentation.terminal import NO_INCIDENTS, console, incident_table, safe
from prunella_operator.presentation.watch import all_closed, follow, never
from prunella_workflows.model.incident_status import Phase

AllNamespaces = Annotated[bool, typer.Option("--all-namespaces", "-A", help="In every namespace.")]
Selector = Annotated[str, typer.Option("--selector", "-l", help="Label selector, as for kubectl.")]
Phases = Annotated[list[Phase] | None, typer.Option("--phase", help="Only in this phase; may be repeated.")]


def list_(
    ctx: typer.Context,
    *,
    namespace: Namespace = None,
    all_namespaces: AllNamespaces = False,
    selector: Selector = "",
    phase: Phases = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    as_json: Json = False,
) -> None:
    """List incidents, oldest first.

    Example: `prunella incidents list -A --phase Escalated`
    """
    reader = tools_of(ctx).reader(load(flags(kubeconfig=kubeconfig, context=context)))
    scope = None if all_namespaces else namespace or reader.namespace
    found = [one for one in reader.find(scope, selector) if not phase or one.phase in phase]
    out = console()
    if as_json:
        out.print_json(json.dumps([one.to_object() for one in found]), indent=2)
    elif found:
        out.print(incident_table(found, clock.now(), all_namespaces, out.width))
    else:
        console(typer.get_text_stream("stderr")).print(safe(NO_INCIDENTS.format(where=_where(scope))))


def show(
    ctx: typer.Context,
    *,
    name: Name,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    temporal_address: TemporalAddress = None,
    temporal_namespace: TemporalNamespace = None,
    as_json: Json = False,
) -> None:
    """Tell one incident from beginning to end: what was seen, decided, changed, and what came of it.

    Example: `prunella incidents show checkout-oom-1 -n shop`
    """
    settings = load(
        flags(
            kubeconfig=kubeconfig,
            context=context,
            temporal_address=temporal_address,
            temporal_namespace=temporal_namespace,
        )
    )
    reader = tools_of(ctx).reader(settings)
    incident = reader.get(namespace or reader.namespace, name)
    if as_json:
        console().print_json(json.dumps(incident.to_object()), indent=2)
        return
    workflow = incident.status.workflow
    url = settings.workflow_url(workflow.id, workflow.run_id) if workflow else ""
    console().print(story(incident, url), soft_wrap=not console().is_terminal)


def watch(
    ctx: typer.Context,
    *,
    namespace: Namespace = None,
    all_namespaces: AllNamespaces = False,
    selector: Selector = "",
    until: Annotated[
        str | None, typer.Option(metavar="closed", help="`closed`: end when there are incidents and all are closed.")
    ] = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Follow incidents as they change. Ctrl-C ends it; in a pipe it prints one line per change.

    Example: `prunella incidents watch -A --until closed`
    """
    if until not in {None, "closed"}:
        raise typer.BadParameter(f"--until {until}: the only thing to wait for is `closed`")
    reader = tools_of(ctx).reader(load(flags(kubeconfig=kubeconfig, context=context)))
    scope = None if all_namespaces else namespace or reader.namespace
    try:
        follow(lambda: reader.find(scope, selector), console(), clock.now, all_closed if until else never)
    except KeyboardInterrupt:
        raise typer.Exit(1 if until else 0) from None


def _where(namespace: str | None) -> str:
    return f" in namespace {namespace}" if namespace else ""
