"""`prunella incidents approve|reject|ack|cancel|suspend|resume`: a person's answers to an incident."""

from collections.abc import Callable
from typing import Annotated

import typer

from prunella_operator.cli.arguments import Name, Namespace
from prunella_operator.cli.options import Context, Kubeconfig, flags, load, tools_of
from prunella_operator.incidents.client import Incident, IncidentReader, acknowledge, cancel, decide, suspend
from prunella_operator.presentation.terminal import console, safe

Reason = Annotated[str, typer.Option("--reason", "-r", help="Why; it stays on record.")]


def approve(
    ctx: typer.Context,
    *,
    name: Name,
    reason: Reason = "",
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Let a waiting repair go ahead, in your name.

    Example: `prunella incidents approve checkout-oom-1 -n shop --reason "256Mi is fine"`
    """
    _answer(
        ctx,
        flags(kubeconfig=kubeconfig, context=context),
        lambda reader: decide(reader, namespace or reader.namespace, name, "Approved", reason),
        "approved: the repair goes ahead",
    )


def reject(
    ctx: typer.Context,
    *,
    name: Name,
    reason: Reason = "",
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Refuse a repair, in your name; the incident is handed over to people.

    Example: `prunella incidents reject checkout-oom-1 -n shop --reason "it leaks, we fix the code"`
    """
    _answer(
        ctx,
        flags(kubeconfig=kubeconfig, context=context),
        lambda reader: decide(reader, namespace or reader.namespace, name, "Rejected", reason),
        "rejected: nothing is changed, people take over",
    )


def ack(
    ctx: typer.Context,
    *,
    name: Name,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Take over an incident that was handed to people, in your name: nobody else is called.

    Example: `prunella incidents ack checkout-oom-1 -n shop`
    """
    _answer(
        ctx,
        flags(kubeconfig=kubeconfig, context=context),
        lambda reader: acknowledge(reader, namespace or reader.namespace, name),
        "is yours: nobody else is called",
    )


def cancel_(
    ctx: typer.Context,
    *,
    name: Name,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """End an incident; a repair that is half-way is undone first. Of one that was handed over: call nobody any more.

    Example: `prunella incidents cancel checkout-oom-1 -n shop`
    """
    _answer(
        ctx,
        flags(kubeconfig=kubeconfig, context=context),
        lambda reader: cancel(reader, namespace or reader.namespace, name),
        "will be cancelled",
    )


def suspend_(
    ctx: typer.Context,
    *,
    name: Name,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Stop before the next step, to look at it in peace.

    Example: `prunella incidents suspend checkout-oom-1 -n shop`, later `prunella incidents resume ...`
    """
    _answer(
        ctx,
        flags(kubeconfig=kubeconfig, context=context),
        lambda reader: suspend(reader, namespace or reader.namespace, name, wanted=True),
        "stops before its next step",
    )


def resume(
    ctx: typer.Context,
    *,
    name: Name,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Go on with a suspended incident."""
    _answer(
        ctx,
        flags(kubeconfig=kubeconfig, context=context),
        lambda reader: suspend(reader, namespace or reader.namespace, name, wanted=False),
        "goes on",
    )


def _answer(
    ctx: typer.Context,
    given: dict[str, object],
    act: Callable[[IncidentReader], Incident],
    said: str,
) -> None:
    incident = act(tools_of(ctx).reader(load(given)))
    console().print(safe(f"{incident.namespace}/{incident.name} {said}"), soft_wrap=True)
