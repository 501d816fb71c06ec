"""`prunella report`: what Prunella achieved in a period."""

import sys
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import typer

from prunella_operator import clock
from prunella_operator.cli.arguments import parse_since
from prunella_operator.cli.options import CONNECTION, Invocation, add_options
from prunella_operator.cli.output import document, print_document
from prunella_operator.incidents.client import Incident
from prunella_operator.presentation.terminal import console
from prunella_operator.reporting.report import MANUAL_MINUTES, Report, build
from prunella_operator.reporting.shadow import ShadowReport, build_shadow
from prunella_workflows.model.errors import Forbidden, Unavailable


class Output(StrEnum):
    """The format of a report."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"
    HTML = "html"


Since = Annotated[
    str, typer.Option(metavar="SPAN|DATE", help="Incidents opened since: 30d, 12h, 1d12h, or 2026-11-01 (UTC).")
]
OutputFormat = Annotated[Output, typer.Option("--output", "-o", help="For people, machines, or a browser.")]
ManualMinutes = Annotated[
    float, typer.Option(min=0, help="Minutes a person spends on one such incident, from the page to the fix.")
]
Deleted = Annotated[bool, typer.Option("--deleted", help="Include deleted incidents that Temporal still has.")]
Shadow = Annotated[
    bool, typer.Option("--shadow", help="Instead: what became of incidents that were only observed, and their plans.")
]


@add_options(CONNECTION)
def report(
    invocation: Invocation,
    *,
    since: Since = "30d",
    output: OutputFormat = Output.TEXT,
    namespace: Annotated[str | None, typer.Option("--namespace", "-n", help="Only this one; default: all.")] = None,
    manual_minutes: ManualMinutes = MANUAL_MINUTES,
    deleted: Deleted = False,
    shadow: Shadow = False,
) -> None:
    """Report what Prunella achieved: how fast it detects and heals, how often unattended, and the time that saves.

    For all incidents together, for each namespace and for each root cause. Times are median and p90 (90 % are
    not slower). The **auto-repair rate** is Healed / (Healed + Escalated + Failed).

    **Hours saved** = incidents healed without approval x `--manual-minutes` / 60. Set the minutes to what your own
    incidents cost. Incidents that recovered without a repair, or that someone approved first, do not count.

    With `--shadow`: of the incidents that were only observed, how many would have been healed, and how long before
    people did it. An incident counts as such only if people made the planned change and the workload was healthy after.

    Examples: `prunella report --since 7d -n shop`, `prunella report -o html > report.html`,
    `prunella report -o json | jq .total.stats.auto_repair_rate`, `prunella report --shadow -n shop`
    """
    now = clock.now()
    start = parse_since(since, now)
    if shadow:
        if deleted or output is Output.HTML:
            raise typer.BadParameter("--shadow has no HTML, and reads only incidents that still exist")
        _print_shadow(build_shadow(_find(invocation, namespace), start, now, namespace=namespace), output)
        return
    incidents = _find(invocation, namespace)
    archived = _find_archived(invocation, start, incidents, namespace) if deleted else []
    made = build(
        [*incidents, *archived], start, now, namespace=namespace, manual_minutes=manual_minutes, deleted=len(archived)
    )
    _print(made, output)


def _print_shadow(made: ShadowReport, output: Output) -> None:
    from prunella_operator.reporting import render_shadow  # noqa: PLC0415 - as in main.py

    if output is Output.TEXT:
        render_shadow.print_shadow(made, console())
    else:
        print_document(document("ShadowReport", **render_shadow.shadow_values(made)), output)


def _find(invocation: Invocation, namespace: str | None) -> Sequence[Incident]:
    try:
        return invocation.reader().find(namespace)
    except Forbidden as error:
        if namespace:
            raise
        raise Forbidden(f"{error}. You may still read one namespace: prunella report -n NAMESPACE") from error


def _find_archived(
    invocation: Invocation, start: datetime, incidents: Sequence[Incident], namespace: str | None
) -> Sequence[Incident]:
    """Deleted incidents that Temporal still has."""
    known = {incident.metadata.uid for incident in incidents}
    try:
        archived = invocation.tools.archived(invocation.settings, start, known)
    except Unavailable as error:
        raise Unavailable(f"{error}. Without --deleted the report uses the Incident objects alone") from error
    return [incident for incident in archived if namespace in (None, incident.namespace)]


def _print(made: Report, output: Output) -> None:
    from prunella_operator.reporting import render  # noqa: PLC0415 - as in main.py

    if output is Output.TEXT:
        render.print_text(made, console())
    elif output is Output.HTML:
        sys.stdout.write(render.to_html(made).strip() + "\n")
    else:
        print_document(document("Report", **render.to_values(made)), output)
