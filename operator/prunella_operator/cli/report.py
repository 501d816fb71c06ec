"""`prunella report`: what Prunella was worth in a while."""

import sys
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import typer

from prunella_operator import clock
from prunella_operator.cli.options import (
    Context,
    Kubeconfig,
    TemporalAddress,
    TemporalNamespace,
    flags,
    load,
    tools_of,
)
from prunella_operator.config.settings import Settings
from prunella_operator.incidents.client import Incident
from prunella_operator.presentation.terminal import console
from prunella_operator.reporting.report import MANUAL_MINUTES, Report, beginning, build
from prunella_workflows.model.errors import Forbidden, Unavailable


class Output(StrEnum):
    """The form of a report."""

    TEXT = "text"
    JSON = "json"
    HTML = "html"


def report(
    ctx: typer.Context,
    *,
    since: Annotated[
        str, typer.Option(metavar="SPAN|DATE", help="Incidents opened since: 30d, 12h, 1d12h, or 2026-11-01 (UTC).")
    ] = "30d",
    output: Annotated[Output, typer.Option("--output", "-o", help="For people, machines, or a browser.")] = Output.TEXT,
    namespace: Annotated[str | None, typer.Option("--namespace", "-n", help="Only this one; default: all.")] = None,
    manual_minutes: Annotated[
        float, typer.Option(min=0, help="What one such incident costs a person, from the call to the fix.")
    ] = MANUAL_MINUTES,
    deleted: Annotated[
        bool, typer.Option("--deleted", help="Also those whose objects were deleted, as long as Temporal knows them.")
    ] = False,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    temporal_address: TemporalAddress = None,
    temporal_namespace: TemporalNamespace = None,
) -> None:
    """Tell what Prunella was worth: how fast it detects and heals, how often without people, and what that saves.

    For all incidents together, for each namespace and for each root cause. Times are median and p90 (nine of ten are
    not slower). The **auto-repair rate** is Healed / (Healed + Escalated + Failed).

    **Hours saved** = incidents healed without a person's answer x `--manual-minutes` / 60. Set the minutes to what
    your own incidents cost; what recovered by itself, or was approved by a person first, counts for nothing.

    Examples: `prunella report --since 7d -n shop`, `prunella report -o html > report.html`,
    `prunella report -o json | jq .total.figures.auto_repair_rate`
    """
    now = clock.now()
    try:
        begin = beginning(since, now)
    except ValueError as error:
        raise typer.BadParameter(f"--since {since}: {error}") from error
    given = flags(
        kubeconfig=kubeconfig,
        context=context,
        temporal_address=temporal_address,
        temporal_namespace=temporal_namespace,
    )
    settings = load(given)
    found = _find(ctx, settings, namespace)
    gone = _deleted(ctx, settings, begin, found, namespace) if deleted else []
    made = build([*found, *gone], begin, now, namespace=namespace, manual_minutes=manual_minutes, deleted=len(gone))
    _show(made, output)


def _find(ctx: typer.Context, settings: Settings, namespace: str | None) -> Sequence[Incident]:
    try:
        return tools_of(ctx).reader(settings).find(namespace)
    except Forbidden as error:
        if namespace:
            raise
        raise Forbidden(f"{error}. You may still read one namespace: prunella report -n NAMESPACE") from error


def _deleted(
    ctx: typer.Context, settings: Settings, since: datetime, found: Sequence[Incident], namespace: str | None
) -> Sequence[Incident]:
    """Those that Temporal alone knows."""
    try:
        gone = tools_of(ctx).deleted(settings, since, {one.metadata.uid for one in found})
    except Unavailable as error:
        raise Unavailable(f"{error}. Without --deleted the report is made from the objects alone") from error
    return [one for one in gone if namespace in (None, one.namespace)]


def _show(made: Report, output: Output) -> None:
    from prunella_operator.reporting import render  # noqa: PLC0415 - as in cli.py

    if output is Output.TEXT:
        render.print_text(made, console())
    else:
        write = render.as_json if output is Output.JSON else render.as_page
        sys.stdout.write(write(made).strip() + "\n")
