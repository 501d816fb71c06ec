"""What the commands share: options, the building of the settings, and errors as people see them."""

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Protocol

import typer
from pydantic import ValidationError
from typer.core import TyperGroup

from prunella_operator.config.environment import UnknownSetting, check_variables, variable
from prunella_operator.config.settings import Settings
from prunella_operator.incidents.client import Incident, IncidentReader
from prunella_operator.presentation.terminal import console, safe
from prunella_workflows.model.errors import PrunellaError

_PANEL = "Connection"
Kubeconfig = Annotated[
    str | None, typer.Option(help="Kubeconfig to use instead of the usual one.", rich_help_panel=_PANEL)
]
Context = Annotated[str | None, typer.Option(help="Context of the kubeconfig.", rich_help_panel=_PANEL)]
TemporalAddress = Annotated[
    str | None, typer.Option(help="Temporal's HOST:PORT.", metavar="HOST:PORT", rich_help_panel=_PANEL)
]
TemporalNamespace = Annotated[str | None, typer.Option(help="Temporal namespace.", rich_help_panel=_PANEL)]
Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Any other setting, by the names of `prunella settings`."),
]
Json = Annotated[bool, typer.Option("--json", help="JSON for machines.")]


class Run(Protocol):
    """Runs parts of Prunella in this process until they are told to stop."""

    def __call__(self, settings: Settings, *, operator: bool, worker: bool, console: bool) -> int:
        """The exit code."""


Deleted = Callable[[Settings, datetime, Collection[str]], Sequence[Incident]]
"""The incidents since a moment that Temporal alone still knows: their uids are not among those given."""


@dataclass(frozen=True)
class Tools:
    """How commands reach the world; tests hand in their own by typer's context object."""

    reader: Callable[[Settings], IncidentReader]
    run: Run
    deleted: Deleted


def tools_of(ctx: typer.Context) -> Tools:
    """The tools of this run."""
    tools: Tools = ctx.obj
    return tools


class Group(TyperGroup):
    """The command tree. An error of ours is one message and exit code 1, never a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was named."""
        try:
            return super().invoke(ctx)
        except PrunellaError as error:
            errors = typer.get_text_stream("stderr")
            console(errors).print(safe(f"error: {error}"), soft_wrap=True)
            raise typer.Exit(1) from error


def flags(assignments: Sequence[str] | None = None, **given: object) -> dict[str, object]:
    """The settings that were given as flags."""
    named = {name: value for name, value in given.items() if value is not None}
    for assignment in assignments or ():
        name, equals, value = assignment.partition("=")
        if not equals or name not in Settings.model_fields:
            raise typer.BadParameter(f"--set {assignment}: expected NAME=VALUE with a name of `prunella settings`")
        named[name] = value
    return named


def load(given: dict[str, object]) -> Settings:
    """The settings of this command; what makes no sense is a usage error that names the flag or variable."""
    try:
        check_variables(tuple(Settings.model_fields), os.environ)
        return Settings.load(given)
    except UnknownSetting as error:
        raise typer.BadParameter(str(error)) from error
    except ValidationError as error:
        raise typer.BadParameter("; ".join(_explain(dict(one), given) for one in error.errors())) from error


def _explain(error: dict[str, Any], given: dict[str, object]) -> str:
    name = str(error["loc"][0])
    origin = f"flag for {name}" if name in given else f"environment variable {variable(name)}"
    return f"{origin}: {error['msg'].removeprefix('Value error, ')}"
