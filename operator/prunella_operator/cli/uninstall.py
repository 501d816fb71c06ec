"""`prunella uninstall`: take away what Prunella left on objects of others."""

from collections import Counter
from collections.abc import Iterator
from typing import Annotated

import typer

from prunella_operator.cli.options import KUBERNETES, Invocation, Options, add_options
from prunella_operator.cli.uninstaller import Cluster, Trace, traces
from prunella_operator.presentation.terminal import console, safe
from prunella_workflows.model.errors import Conflict, PrunellaError

_SCOPE: Options = {
    "namespaces": Annotated[str | None, typer.Option(help="Only in these, comma-separated; default: all.")],
    "leader_lease_namespace": Annotated[
        str | None,
        typer.Option(
            "--lease-namespace",
            help="Namespace of the operator's Lease; default: that of the kubeconfig's context.",
        ),
    ],
}


@add_options(_SCOPE, KUBERNETES)
def uninstall(
    invocation: Invocation,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Remove them. Without it they are only listed.")] = False,
) -> None:
    """Remove the annotations, labels, snapshots and Lease that Prunella left. Stop operator and worker first.

    Incidents, policies, CRDs, and labels that opt in or out are kept.

    Example: `prunella uninstall`, and then `prunella uninstall --yes`
    """
    from prunella_operator.kubernetes.sync_client import SyncClient  # noqa: PLC0415 - as in main.py

    settings = invocation.settings
    kube = SyncClient.connect(settings)
    lease = (settings.leader_lease_namespace or kube.namespace, settings.leader_lease_name)
    done = Counter(_each(kube, traces(kube, settings.namespaces, lease), yes))
    console().print(_summary(done, yes))
    raise typer.Exit(1 if done["failed"] else 0)


def _each(cluster: Cluster, found: Iterator[Trace], yes: bool) -> Iterator[str]:
    for trace in list(found):
        said = _removed(cluster, trace) if yes else ""
        console().print(safe(f"{trace.object}: {trace.what}{said and f' - {said}'}"), soft_wrap=True)
        yield "failed" if said else "done"


def _removed(cluster: Cluster, trace: Trace) -> str:
    """Why it could not be taken away; "" when it was."""
    try:
        trace.remove(cluster)
    except Conflict:
        return "it changed meanwhile: run this again"
    except PrunellaError as error:
        return str(error)
    return ""


def _summary(done: Counter[str], yes: bool) -> str:
    if not yes:
        return f"{done['done']} objects bear something of Prunella; --yes takes it away" if done else "nothing is left"
    failed = f", {done['failed']} could not be changed" if done["failed"] else ""
    return f"{done['done']} objects cleaned{failed}"
