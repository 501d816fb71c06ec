"""The command line and composition root. Imports stay inside commands, so that `--help` and completion are fast."""

from functools import partial
from typing import TYPE_CHECKING, NoReturn

import typer

from prunella_operator.compat import temporalio as compat_temporalio  # noqa: F401 - before anything else imports temporalio

# isort: split
from prunella_operator import clock
from prunella_operator.cli import client, codec_server, diagnose, export, replay, report, uninstall
from prunella_operator.cli import notify as cli_notify
from prunella_operator.cli import policy as cli_policy
from prunella_operator.cli import run as cli_run
from prunella_operator.cli import telemetry as cli_telemetry
from prunella_operator.cli import verify as cli_verify
from prunella_operator.cli.options import ASSIGNMENTS, CONNECTION, ExitCode, Invocation, Tools, add_options
from prunella_operator.cli.output import ListOutput
from prunella_operator.config.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime

    from prunella_operator.incidents.client import Incident
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


def _archived(settings: Settings, since: "datetime", known: "Collection[str]") -> "Sequence[Incident]":
    from prunella_operator.reporting.archived_incidents import read_archived

    return read_archived(settings, since, known)


def _recorded(settings: Settings, query: str, progress: "Callable[[int, int], None]") -> "Sequence[RecordedIncident]":
    from prunella_operator.reporting.recorded_histories import read_recorded

    return read_recorded(settings, query, progress)


app = client.create_app(
    Tools(client.open_reader, _run, _archived, client.open_watch, _recorded),
    "Start here: `prunella doctor`, then `prunella run`, then `prunella incidents watch -A`. "
    "Every setting is also an environment variable `PRUNELLA_<NAME>`; `prunella settings` lists them. "
    f"{client.EXIT_CODES}",
)
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


client.add_commands(app).command("export")(export.export)

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


def main() -> NoReturn:
    """Run the command line."""
    client.run_app(app)
