"""The options that name an incident, with completion by the shell."""

from typing import Annotated

import typer

from prunella_operator.cli.options import Tools
from prunella_operator.config.settings import Settings
from prunella_workflows.model.errors import PrunellaError


def complete_name(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names for the shell's completion: best effort, so silence when the cluster does not answer."""
    try:
        tools: Tools | None = ctx.find_root().obj
        if tools is None:
            return []
        where = {name: ctx.params.get(name) for name in ("kubeconfig", "context")}
        reader = tools.reader(Settings.load({**where, "api_timeout": 2.0}))
        found = reader.find(ctx.params.get("namespace") or reader.namespace)
    except (PrunellaError, ValueError):
        return []
    return [one.name for one in found if one.name.startswith(incomplete)]


Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the incident.", autocompletion=complete_name)]
Namespace = Annotated[
    str | None, typer.Option("--namespace", "-n", help="Its namespace; default: that of the kubeconfig's context.")
]
