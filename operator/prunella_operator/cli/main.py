"""The command line and composition root. Imports stay inside commands, so that `--help` and completion are fast."""

import logging
import os
import sys
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from prunella_operator.compat import temporalio as compat_temporalio  # noqa: F401 - before anything else imports temporalio

# isort: split
from prunella_operator import clock
from prunella_operator.cli import codec_server, diagnose, export, incident_actions, replay, report, uninstall
from prunella_operator.cli import incidents as cli_incidents
from prunella_operator.cli import notify as cli_notify
from prunella_operator.cli import policy as cli_policy
from prunella_operator.cli import run as cli_run
from prunella_operator.cli import telemetry as cli_telemetry
from prunella_operator.cli import verify as cli_verify
from prunella_operator.cli.options import ASSIGNMENTS, CONNECTION, ExitCode, Group, Invocation, Tools, add_options
from prunella_operator.cli.output import ListOutput
from prunella_operator.config.settings import Settings
from prunella_operator.presentation.terminal import console

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from datetime import datetime

    from prunella_operator.incidents.client import Incident, IncidentReader, Listed
    from prunella_operator.reporting.recorded_incident import RecordedIncident


def _run(
    settings: Settings,
    *,
    operator: bool = False,
    worker: bool = False,
    console: bool = False,
    telemetry: bool = False,
    codec_server: bool = False,
) -> int:
    from prunella_operator.observability.logging import configure
    from prunella_operator.runtime.app import run as run_app
    from prunella_operator.runtime.app import run_until_signalled

    configure(settings.log_format, settings.log_level)
    if codec_server:
        from prunella_operator.codec_server.serve import serve_codec

        return run_until_signalled(serve_codec(settings))
    return run_app(settings, operator=operator, worker=worker, console=console, telemetry=telemetry)


def _reader(settings: Settings) -> "IncidentReader":
    from prunella_operator.incidents.client import KubeIncidents
    from prunella_operator.kubernetes.sync_client import SyncClient

    return KubeIncidents(SyncClient.connect(settings))


def _archived(settings: Settings, since: "datetime", known: "Collection[str]") -> "Sequence[Incident]":
    from prunella_operator.reporting.archived_incidents import read_archived

    return read_archived(settings, since, known)


def _recorded(settings: Settings, query: str, progress: "Callable[[int, int], None]") -> "Sequence[RecordedIncident]":
    from prunella_operator.reporting.recorded_histories import read_recorded

    return read_recorded(settings, query, progress)


@contextmanager
def _watch(settings: Settings, namespace: str | None, selector: str) -> "Iterator[Callable[[], Sequence[Listed]]]":
    from prunella_operator.incidents.index import watching
    from prunella_operator.kubernetes.access import load_access
    from prunella_operator.kubernetes.watch.resource import Scope

    with watching(load_access(settings.kubeconfig, settings.context), Scope(namespace, selector)) as index:
        yield index.all


def _print_version(wanted: bool) -> None:
    from importlib.metadata import version

    if wanted:
        console().print(f"prunella {version('prunella')}")
        raise typer.Exit


app = typer.Typer(
    cls=Group,
    name="prunella",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # its tracebacks could show values
    context_settings={"help_option_names": ["-h", "--help"], "obj": Tools(_reader, _run, _archived, _watch, _recorded)},
    rich_markup_mode="markdown",
    epilog="Start here: `prunella doctor`, then `prunella run`, then `prunella incidents watch -A`. "
    "Every setting is also an environment variable `PRUNELLA_<NAME>`; `prunella settings` lists them. "
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done and the answer is no, 4 try again later, 130 interrupted.",
)


@app.callback()
def program(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Prunella heals Kubernetes workloads: it diagnoses, repairs, verifies, undoes what did not help, and escalates."""


for command in (
    cli_run.operator,
    cli_run.worker,
    cli_run.run,
    cli_run.console,
    codec_server.codec_server,
    report.report,
    replay.replay,
    diagnose.diagnose,
    cli_verify.verify,
    uninstall.uninstall,
):
    app.command()(command)

incidents = typer.Typer(no_args_is_help=True, help="Read incidents and act on them.")
app.add_typer(incidents, name="incidents")
incidents.command("list")(cli_incidents.list_)
incidents.command("show")(cli_incidents.show)
incidents.command("postmortem")(cli_incidents.postmortem)
incidents.command("watch")(cli_incidents.watch)
incidents.command("export")(export.export)
incident_actions.register(incidents)

policy = typer.Typer(no_args_is_help=True, help="Explain policies.")
app.add_typer(policy, name="policy")
policy.command("explain")(cli_policy.explain_)

notify = typer.Typer(no_args_is_help=True, help="Test notification channels.")
app.add_typer(notify, name="notify")
notify.command("test")(cli_notify.send_test)

telemetry = typer.Typer(no_args_is_help=True, help="Run and look at the telemetry pipeline.")
app.add_typer(telemetry, name="telemetry")
for command in (cli_telemetry.worker, cli_telemetry.status, cli_telemetry.top, cli_telemetry.explain):
    telemetry.command()(command)


@app.command()
@add_options(CONNECTION)
def doctor(invocation: Invocation, *, output: ListOutput = None) -> None:
    """Check everything operator and worker need: cluster, CRDs, permissions, clock, Temporal. Changes nothing.

    Example: `prunella doctor --context staging`, as the account that will run Prunella.
    """
    from prunella_operator.cli.doctor import print_checks
    from prunella_operator.config.crds import crds
    from prunella_operator.doctor.checks import run_checks
    from prunella_operator.kubernetes.sync_client import SyncClient
    from prunella_operator.metrics.factory import create_source
    from prunella_operator.temporal.client import probe

    settings = invocation.settings
    connect, metrics = partial(SyncClient.connect, settings), create_source(settings)
    checks = run_checks(settings, connect, crds, partial(probe, settings), clock.now, metrics=metrics)
    raise typer.Exit(ExitCode.DONE if print_checks(checks, output) else ExitCode.NO)


@app.command()
@add_options(CONNECTION, ASSIGNMENTS)
def settings(invocation: Invocation, *, output: ListOutput = None) -> None:
    """Print every setting: its value, its source and its meaning. Secrets are hidden.

    Sources: default, temporal (TEMPORAL_* or a profile), env (PRUNELLA_*), flag.

    Example: `PRUNELLA_HTTP_PORT=9090 prunella settings`
    """
    from prunella_operator.cli.listings import print_settings

    print_settings(invocation.settings, invocation.flags, output)


@app.command()
def playbooks(output: ListOutput = None) -> None:
    """Print the root causes Prunella knows and the repair steps for each, in the order it tries them."""
    from prunella_operator.cli.listings import print_playbooks
    from prunella_workflows.decisions.playbooks import PLAYBOOKS

    print_playbooks(PLAYBOOKS, output)


@app.command()
def crds() -> None:
    """Print the custom resource definitions, for kubectl.

    Example: `prunella crds | kubectl apply --server-side -f -`
    """
    from prunella_operator.config.crds import crd_yaml

    sys.stdout.write(crd_yaml())


@app.command()
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


def main() -> NoReturn:
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
