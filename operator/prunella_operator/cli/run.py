"""The long-running commands: `prunella operator`, `prunella worker`, `prunella run` for both, and the console."""

from typing import Annotated

import typer

from prunella_operator.cli.options import ASSIGNMENTS, CONNECTION, KUBERNETES, Invocation, Options, add_options
from prunella_operator.config.settings import Settings
from prunella_operator.config.values import EMBEDDED

LOGGING: Options = {
    "log_format": Annotated[str | None, typer.Option(help="auto, json or text.")],
    "log_level": Annotated[str | None, typer.Option(help="debug, info, warning or error.")],
}
PROCESS: Options = {
    "http_port": Annotated[int | None, typer.Option(help="Port of health and metrics.")],
    **LOGGING,
    **ASSIGNMENTS,
}
_NAMESPACES: Options = {
    "namespaces": Annotated[str | None, typer.Option(help="Watch only these, comma-separated; default: all.")]
}
_TEMPORAL = typer.Option(
    "--temporal",
    "--temporal-address",
    metavar="embedded|HOST:PORT",
    help="An embedded server, or an existing one. Default: PRUNELLA_TEMPORAL_ADDRESS, TEMPORAL_ADDRESS or embedded.",
)


@add_options(CONNECTION, _NAMESPACES, PROCESS)
def operator(invocation: Invocation) -> None:
    """Watch the cluster and open incidents; workers elsewhere repair them.

    Example: `prunella operator --temporal-address temporal-frontend:7233 --namespaces shop,billing`
    """
    _run(invocation, refuse_embedded(invocation.settings), operator=True)


@add_options(CONNECTION, PROCESS)
def worker(invocation: Invocation) -> None:
    """Execute the workflows of incidents: diagnose, repair, verify. Run as many as you like.

    Example: `prunella worker --temporal-address temporal-frontend:7233 --set max_activities=100`
    """
    _run(invocation, refuse_embedded(invocation.settings), worker=True)


@add_options(CONNECTION, {"temporal_address": Annotated[str | None, _TEMPORAL]}, _NAMESPACES, PROCESS)
def run(invocation: Invocation) -> None:
    """Operator and worker in one process, with an embedded Temporal server: all you need on a laptop or small cluster.

    Example: `prunella run`, or with your own Temporal: `prunella run --temporal 127.0.0.1:7233`
    """
    settings = invocation.settings
    if "temporal_address" not in settings.model_fields_set:
        settings = settings.model_copy(update={"temporal_address": EMBEDDED})
    _run(invocation, settings, operator=True, worker=True, console=bool(settings.console_port))


@add_options(KUBERNETES, PROCESS)
def console(invocation: Invocation) -> None:
    """Serve the web console, to read incidents, and to act on them after signing in.

    People sign in with a Kubernetes token, or at the OpenID Connect provider of the settings.

    Example: `prunella console`, then open http://127.0.0.1:8081
    """
    if not invocation.settings.console_port:
        raise typer.BadParameter("console_port is 0, which disables the console: pass --set console_port=8081")
    _run(invocation, refuse_embedded(invocation.settings), console=True)


def refuse_embedded(settings: Settings) -> Settings:
    """Raise a usage error for commands that need a Temporal server elsewhere."""
    if settings.embedded:
        raise typer.BadParameter("only `prunella run` can embed Temporal: pass --temporal-address HOST:PORT")
    return settings


def _run(
    invocation: Invocation, settings: Settings, *, operator: bool = False, worker: bool = False, console: bool = False
) -> None:
    raise typer.Exit(invocation.tools.run(settings, operator=operator, worker=worker, console=console))
