"""Options that commands share, the settings they make, and errors as users see them."""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError
from typer.core import TyperGroup

from prunella_operator.config.environment import UnknownSetting, check_variables, find_sources, variable
from prunella_operator.config.settings import Settings
from prunella_operator.config.temporal_profile import PLACES, ProfileError
from prunella_operator.incidents.client import Incident, IncidentReader, Listed
from prunella_operator.presentation.terminal import console, safe
from prunella_workflows.model.errors import PrunellaError, Retryable

if TYPE_CHECKING:
    from prunella_operator.reporting.recorded_incident import RecordedIncident

Options = Mapping[str, object]
"""The annotations of typer parameters, by name: the setting's, or `assignments`."""

_PANEL = "Connection"
_TEMPORAL_ADDRESS = typer.Option(help="Temporal's HOST:PORT.", metavar="HOST:PORT", rich_help_panel=_PANEL)

KUBERNETES: Options = {
    "kubeconfig": Annotated[
        str | None, typer.Option(help="Kubeconfig to use instead of the default.", rich_help_panel=_PANEL)
    ],
    "context": Annotated[str | None, typer.Option(help="Context of the kubeconfig.", rich_help_panel=_PANEL)],
}
CONNECTION: Options = {
    **KUBERNETES,
    "temporal_address": Annotated[str | None, _TEMPORAL_ADDRESS],
    "temporal_namespace": Annotated[str | None, typer.Option(help="Temporal namespace.", rich_help_panel=_PANEL)],
}
ASSIGNMENTS: Options = {
    "assignments": Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Any other setting, as named by `prunella settings`."),
    ]
}


class ExitCode(IntEnum):
    """The exit codes, for pipelines; docs/cli.md explains them."""

    DONE = 0
    FAILED = 1
    WRONG_USAGE = 2
    NO = 3
    """It was done, and the answer is no."""
    TRY_AGAIN = 4
    INTERRUPTED = 130


@dataclass(frozen=True)
class Tools:
    """Access to the outside world; tests pass their own as typer's context object.

    `run` runs parts of Prunella and returns the exit code. `watch` gives the incidents that a label selector selects in
    a namespace, or in all (None), as they are at each call. `archived` reads incidents deleted since a time from
    Temporal, except those with the given uids; `recorded` reads those that a query of Temporal finds, with their facts,
    and is called back with the number that is read, and that of all.
    """

    reader: Callable[[Settings], IncidentReader]
    run: Callable[..., int]
    archived: Callable[[Settings, datetime, Collection[str]], Sequence[Incident]]
    watch: Callable[[Settings, str | None, str], AbstractContextManager[Callable[[], Sequence[Listed]]]]
    recorded: "Callable[[Settings, str, Callable[[int, int], None]], Sequence[RecordedIncident]]"


@dataclass(frozen=True)
class Invocation:
    """One run of a command. `flags` are the settings that were given as options."""

    tools: Tools
    flags: Mapping[str, object]
    settings: Settings

    def reader(self) -> IncidentReader:
        """The incidents of the cluster that the options name."""
        return self.tools.reader(self.settings)


def add_options(*groups: Options) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorate a command with these options. It gets their values as an `Invocation`, its first argument."""
    options = {name: annotation for group in groups for name, annotation in group.items()}

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def invoke(ctx: typer.Context, **values: Any) -> None:
            flags = parse_flags({name: values.pop(name) for name in options})
            command(Invocation(ctx.obj, flags, load(flags)), **values)

        _, *own = signature(command).parameters.values()
        context = Parameter("ctx", Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
        added = [Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=options[name]) for name in options]
        vars(invoke)["__signature__"] = Signature([context, *own, *added])
        return invoke

    return decorate


class Group(TyperGroup):
    """The command tree. A Prunella error is one message and an exit code, never a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was named."""
        try:
            return super().invoke(ctx)
        except PrunellaError as error:
            console(typer.get_text_stream("stderr")).print(safe(f"error: {error}"), soft_wrap=True)
            raise typer.Exit(ExitCode.TRY_AGAIN if isinstance(error, Retryable) else ExitCode.FAILED) from error


def parse_flags(values: Mapping[str, Any]) -> dict[str, object]:
    """The settings among these option values, including those assigned with `--set`."""
    flags = {name: value for name, value in values.items() if value is not None and name != "assignments"}
    for assignment in values.get("assignments") or ():
        name, equals, value = assignment.partition("=")
        if not equals or name not in Settings.model_fields:
            raise typer.BadParameter(f"--set {assignment}: expected NAME=VALUE with a name from `prunella settings`")
        flags[name] = value
    return flags


def load(flags: dict[str, object]) -> Settings:
    """The settings of this command; an invalid value is a usage error that names the flag or variable."""
    try:
        check_variables(tuple(Settings.model_fields), os.environ)
        return Settings.load(flags)
    except (UnknownSetting, ProfileError) as error:
        raise typer.BadParameter(str(error)) from error
    except ValidationError as error:
        raise typer.BadParameter("; ".join(_explain(dict(detail), flags) for detail in error.errors())) from error


def _explain(error: dict[str, Any], flags: dict[str, object]) -> str:
    name = str(error["loc"][0])
    source = find_sources(Settings.model_fields, flags, os.environ)[name]
    origins = {"flag": f"flag for {name}", "temporal": PLACES.get(name)}
    origin = origins.get(source, f"environment variable {variable(name)}")
    return f"{origin}: {error['msg'].removeprefix('Value error, ')}"
