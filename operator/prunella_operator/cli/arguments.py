"""Arguments that commands share: the name of an incident, with shell completion, and the start of a period."""

from datetime import datetime
from typing import Annotated

import typer

from prunella_operator.cli.options import Tools
from prunella_operator.config.settings import Settings
from prunella_operator.reporting.report import parse_start
from prunella_workflows.model.errors import PrunellaError

_COMPLETION_TIMEOUT_SECONDS = 2.0  # someone is waiting at the prompt


def complete_name(ctx: typer.Context, incomplete: str) -> list[str]:
    """Incident names for shell completion. Best effort: none when the cluster cannot be read."""
    try:
        tools: Tools | None = ctx.find_root().obj
        if tools is None:
            return []
        connection = {name: ctx.params.get(name) for name in ("kubeconfig", "context")}
        reader = tools.reader(Settings.load({**connection, "api_timeout": _COMPLETION_TIMEOUT_SECONDS}))
        incidents = reader.find(ctx.params.get("namespace") or reader.namespace)
    except (PrunellaError, ValueError):
        return []
    return [incident.name for incident in incidents if incident.name.startswith(incomplete)]


Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the incident.", autocompletion=complete_name)]
Namespace = Annotated[
    str | None, typer.Option("--namespace", "-n", help="Its namespace; default: that of the kubeconfig's context.")
]


def parse_since(text: str, now: datetime) -> datetime:
    """The start of the period that `--since` gives; wrong usage unless it is in the past."""
    try:
        return parse_start(text, now)
    except ValueError as error:
        raise typer.BadParameter(f"--since {text}: {error}") from error
