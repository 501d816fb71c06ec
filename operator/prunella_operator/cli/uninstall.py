"""`prunella uninstall`: remove what Prunella left behind in the cluster."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from prunella_operator.cli.options import KUBERNETES, ExitCode, Invocation, Options, add_options
from prunella_operator.cli.uninstaller import Leftover, find_leftovers
from prunella_operator.presentation.terminal import console, safe
from prunella_workflows.model.errors import Conflict, PrunellaError

if TYPE_CHECKING:
    from prunella_operator.kubernetes.sync_client import SyncClient

_SCOPE: Options = {
    "namespaces": Annotated[str | None, typer.Option(help="Only in these, comma-separated; default: all.")],
    "leader_lease_namespace": Annotated[
        str | None,
        typer.Option(
            "--lease-namespace", help="Namespace of the operator's Lease; default: that of the kubeconfig's context."
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
    results = Counter(_process(kube, list(find_leftovers(kube, settings.namespaces, lease)), yes))
    console().print(_summarize(results, yes))
    raise typer.Exit(ExitCode.FAILED if results["failed"] else ExitCode.DONE)


def _process(cluster: "SyncClient", leftovers: Sequence[Leftover], yes: bool) -> Iterator[str]:
    for leftover in leftovers:
        error = _try_remove(cluster, leftover) if yes else ""
        console().print(safe(f"{leftover.object}: {leftover.kinds}{error and f' - {error}'}"), soft_wrap=True)
        yield "failed" if error else "done"


def _try_remove(cluster: "SyncClient", leftover: Leftover) -> str:
    """The error; "" when it was removed."""
    try:
        leftover.remove(cluster)
    except Conflict:
        return "the object has changed: run this again"
    except PrunellaError as error:
        return str(error)
    return ""


def _summarize(results: Counter[str], yes: bool) -> str:
    done, failed = results["done"], results["failed"]
    if not yes:
        return f"{done} objects to clean up; run again with --yes to do so" if done else "nothing to clean up"
    return f"{done} objects cleaned up" + (f", {failed} failed" if failed else "")
