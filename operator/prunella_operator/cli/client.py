"""The commands of the distribution prunella-client: those that need the API server alone, without Temporal's SDK.

The whole command line, in main.py, has them too. Imports stay inside commands, so that `--help` is fast.
"""

import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from prunella_operator.cli import incident_actions
from prunella_operator.cli import incidents as cli_incidents
from prunella_operator.cli.options import Group, Tools
from prunella_operator.cli.output import ListOutput
from prunella_operator.config.settings import Settings
from prunella_operator.config.version import installed_version
from prunella_operator.presentation.terminal import console
from prunella_workflows.model.errors import Permanent

if TYPE_CHECKING:
    from prunella_operator.incidents.client import IncidentReader, Listed

EXIT_CODES = (
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done and the answer is no, 4 try again later, 130 interrupted."
)


def open_reader(settings: Settings) -> "IncidentReader":
    """Open the incidents of the cluster that the settings name."""
    from prunella_operator.incidents.client import KubeIncidents
    from prunella_operator.kubernetes.sync_client import SyncClient

    return KubeIncidents(SyncClient.connect(settings))


@contextmanager
def open_watch(settings: Settings, namespace: str | None, selector: str) -> "Iterator[Callable[[], Sequence[Listed]]]":
    """Watch incidents; see `Tools`."""
    from prunella_operator.incidents.index import watching
    from prunella_operator.kubernetes.access import load_access
    from prunella_operator.kubernetes.watch.resource import Scope

    with watching(load_access(settings.kubeconfig, settings.context), Scope(namespace, selector)) as index:
        yield index.all


def _print_version(wanted: bool) -> None:
    if wanted:
        console().print(f"prunella {installed_version()}")
        raise typer.Exit


def _program(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Prunella heals Kubernetes workloads: it diagnoses, repairs, verifies, undoes what did not help, and escalates."""


def create_app(tools: Tools, epilog: str) -> typer.Typer:
    """An app without commands yet."""
    created = typer.Typer(
        cls=Group,
        name="prunella",
        no_args_is_help=True,
        pretty_exceptions_enable=False,  # its tracebacks could show values
        context_settings={"help_option_names": ["-h", "--help"], "obj": tools},
        rich_markup_mode="markdown",
        epilog=epilog,
    )

    created.callback()(_program)
    return created


def playbooks(output: ListOutput = None) -> None:
    """Print the root causes Prunella knows and the repair steps for each, in the order it tries them."""
    from prunella_operator.cli.listings import print_playbooks
    from prunella_workflows.decisions.playbooks import PLAYBOOKS

    print_playbooks(PLAYBOOKS, output)


def crds() -> None:
    """Print the custom resource definitions, for kubectl.

    Example: `prunella crds | kubectl apply --server-side -f -`
    """
    from prunella_operator.config.crds import crd_yaml

    sys.stdout.write(crd_yaml())


def rbac(
    namespaces: Annotated[
        list[str] | None, typer.Argument(metavar="NAMESPACE...", show_default=False, help="Where it may repair.")
    ] = None,
    *,
    cluster: Annotated[bool, typer.Option("--cluster", help="Bind in the whole cluster instead.")] = False,
    accounts: Annotated[str, typer.Option(help="Namespace of Prunella's ServiceAccounts.")] = "prunella-system",
) -> None:
    """Print the RoleBindings that let Prunella repair in these namespaces, for kubectl.

    Example: `prunella rbac shop | kubectl apply -f -`
    """
    from prunella_operator.doctor.rbac import bindings

    if bool(namespaces) == cluster:
        raise typer.BadParameter("name at least one namespace, or pass --cluster for all of them")
    sys.stdout.write(bindings(tuple(namespaces or ()), accounts))


def add_commands(to: typer.Typer) -> typer.Typer:
    """Add the commands of the client; return the group of incidents, for more."""
    for command in (playbooks, crds, rbac):
        to.command()(command)
    incidents = typer.Typer(no_args_is_help=True, help="Read incidents and act on them.")
    to.add_typer(incidents, name="incidents")
    incidents.command("list")(cli_incidents.list_)
    incidents.command("show")(cli_incidents.show)
    incidents.command("postmortem")(cli_incidents.postmortem)
    incidents.command("watch")(cli_incidents.watch)
    incident_actions.register(incidents)
    return incidents


def run_app(app: typer.Typer) -> NoReturn:
    """Run the command line, then os._exit: Temporal's SDK may crash while Python tears it down (sdk-python#300)."""
    try:
        app()
        code: object = 0
    except SystemExit as end:
        code = end.code
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:  # the reader, such as `head`, has exited
            code = code or 1
    os._exit(code if isinstance(code, int) else 1 if code else 0)


def _absent(*_: object) -> NoReturn:
    raise Permanent("this needs the distribution prunella; prunella-client reaches the API server alone")


def create_client() -> typer.Typer:
    """The command line of prunella-client."""
    tools = Tools(open_reader, _absent, _absent, open_watch, _absent)
    client = create_app(tools, f"Start here: `prunella incidents watch -A`. {EXIT_CODES}")
    add_commands(client)
    return client


def main() -> NoReturn:
    """Run the client."""
    run_app(create_client())
