"""The long-running commands: `prunella operator`, `prunella worker`, `prunella run` for both, and the console."""

import os
from typing import Annotated

import typer

from prunella_operator.cli.options import (
    Assignments,
    Context,
    Kubeconfig,
    TemporalAddress,
    TemporalNamespace,
    flags,
    load,
    tools_of,
)
from prunella_operator.config.settings import EMBEDDED, Settings

Namespaces = Annotated[str | None, typer.Option(help="Watch only these, comma-separated; default: all.")]
HttpPort = Annotated[int | None, typer.Option(help="Port of health and metrics.")]
LogFormat = Annotated[str | None, typer.Option(help="auto, json or text.")]
LogLevel = Annotated[str | None, typer.Option(help="debug, info, warning or error.")]


def operator(
    ctx: typer.Context,
    *,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    temporal_address: TemporalAddress = None,
    temporal_namespace: TemporalNamespace = None,
    namespaces: Namespaces = None,
    http_port: HttpPort = None,
    log_format: LogFormat = None,
    log_level: LogLevel = None,
    assignments: Assignments = None,
) -> None:
    """Watch the cluster and open incidents; workers elsewhere repair them.

    Example: `prunella operator --temporal-address temporal-frontend:7233 --namespaces shop,billing`
    """
    given = flags(
        assignments,
        kubeconfig=kubeconfig,
        context=context,
        temporal_address=temporal_address,
        temporal_namespace=temporal_namespace,
        namespaces=namespaces,
        http_port=http_port,
        log_format=log_format,
        log_level=log_level,
    )
    _long_running(ctx, _without_embedded(load(given)), operator=True, worker=False)


def worker(
    ctx: typer.Context,
    *,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    temporal_address: TemporalAddress = None,
    temporal_namespace: TemporalNamespace = None,
    http_port: HttpPort = None,
    log_format: LogFormat = None,
    log_level: LogLevel = None,
    assignments: Assignments = None,
) -> None:
    """Carry out the workflows of incidents: diagnose, repair, verify. Run as many as you like.

    Example: `prunella worker --temporal-address temporal-frontend:7233 --set max_activities=100`
    """
    given = flags(
        assignments,
        kubeconfig=kubeconfig,
        context=context,
        temporal_address=temporal_address,
        temporal_namespace=temporal_namespace,
        http_port=http_port,
        log_format=log_format,
        log_level=log_level,
    )
    _long_running(ctx, _without_embedded(load(given)), operator=False, worker=True)


def run(
    ctx: typer.Context,
    *,
    temporal: Annotated[
        str | None,
        typer.Option(
            "--temporal",
            "--temporal-address",
            metavar="embedded|HOST:PORT",
            help="A server of our own, or yours. Default: PRUNELLA_TEMPORAL_ADDRESS, else embedded.",
        ),
    ] = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    temporal_namespace: TemporalNamespace = None,
    namespaces: Namespaces = None,
    http_port: HttpPort = None,
    log_format: LogFormat = None,
    log_level: LogLevel = None,
    assignments: Assignments = None,
) -> None:
    """Operator and worker in one process, with a Temporal server of its own: all you need on a laptop or small cluster.

    Example: `prunella run`, or with your own Temporal: `prunella run --temporal 127.0.0.1:7233`
    """
    given = flags(
        assignments,
        kubeconfig=kubeconfig,
        context=context,
        temporal_address=temporal or os.environ.get("PRUNELLA_TEMPORAL_ADDRESS") or EMBEDDED,
        temporal_namespace=temporal_namespace,
        namespaces=namespaces,
        http_port=http_port,
        log_format=log_format,
        log_level=log_level,
    )
    settings = load(given)
    _long_running(ctx, settings, operator=True, worker=True, console=bool(settings.console_port))


def console(
    ctx: typer.Context,
    *,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    http_port: HttpPort = None,
    log_format: LogFormat = None,
    log_level: LogLevel = None,
    assignments: Assignments = None,
) -> None:
    """Serve the web console: incidents to read, and to answer by people who sign in with a Kubernetes token.

    Example: `prunella console`, then open http://127.0.0.1:8081
    """
    given = flags(
        assignments,
        kubeconfig=kubeconfig,
        context=context,
        http_port=http_port,
        log_format=log_format,
        log_level=log_level,
    )
    settings = load(given)
    if not settings.console_port:
        raise typer.BadParameter("console_port is 0, which means no console: give --set console_port=8081")
    _long_running(ctx, _without_embedded(settings), operator=False, worker=False, console=True)


def _without_embedded(settings: Settings) -> Settings:
    if settings.embedded:
        raise typer.BadParameter("only `prunella run` can embed Temporal: give --temporal-address HOST:PORT")
    return settings


def _long_running(
    ctx: typer.Context, settings: Settings, *, operator: bool, worker: bool, console: bool = False
) -> None:
    raise typer.Exit(tools_of(ctx).run(settings, operator=operator, worker=worker, console=console))
