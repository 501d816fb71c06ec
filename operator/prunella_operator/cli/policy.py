"""`prunella policy explain`: the merged policy of one workload, and where each of its values comes from."""

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from prunella_operator.cli.arguments import Namespace
from prunella_operator.cli.options import KUBERNETES, Invocation, add_options
from prunella_operator.cli.output import Document, Output, document, print_document
from prunella_operator.kubernetes import paths
from prunella_operator.presentation.terminal import console, safe
from prunella_workflows.model.policy_explanation import PolicyValue, explain

if TYPE_CHECKING:
    from prunella_operator.kubernetes.sync_client import SyncClient

_KINDS = {
    "deployment": "Deployment",
    "deployments": "Deployment",
    "deploy": "Deployment",
    "statefulset": "StatefulSet",
    "statefulsets": "StatefulSet",
    "sts": "StatefulSet",
    "daemonset": "DaemonSet",
    "daemonsets": "DaemonSet",
    "ds": "DaemonSet",
}
"""The kinds as kubectl takes them."""


Workload = Annotated[
    str, typer.Argument(metavar="KIND/NAME", help="The workload, such as deployment/web, sts/db or ds/agent.")
]


@add_options(KUBERNETES)
def explain_(
    invocation: Invocation,
    *,
    workload: Workload,
    namespace: Namespace = None,
    output: Output = None,
) -> None:
    """Print the merged policy of one workload, and for each value the policy that sets it.

    Reads with your own permissions: the workload, its namespace and the policies. Changes nothing.

    Example: `prunella policy explain deployment/web -n shop`
    """
    from prunella_operator.kubernetes.sync_client import SyncClient  # noqa: PLC0415 - as in main.py

    kind, name = _parse(workload)
    kube = SyncClient.connect(invocation.settings)
    found = _read(kube, kind, name, namespace or kube.namespace)
    if output:
        print_document(found, output)
    else:
        _print(found)


def _parse(workload: str) -> tuple[str, str]:
    """Kind and name. Wrong usage, if it is no such pair."""
    kind, _, name = workload.partition("/")
    if kind.lower() not in _KINDS or not name:
        raise typer.BadParameter(f"{workload}: expected KIND/NAME of a Deployment, StatefulSet or DaemonSet")
    return _KINDS[kind.lower()], name


def _read(kube: "SyncClient", kind: str, name: str, namespace: str) -> Document:
    from prunella_operator.activities.evidence.policies import read_layers  # noqa: PLC0415
    from prunella_operator.kubernetes.views.workloads import workload_view  # noqa: PLC0415
    from prunella_workflows.model.policy_merge import in_order  # noqa: PLC0415

    raw = kube.get(f"{paths.collection(kind, namespace)}/{name}")
    labels = kube.get(f"/api/v1/namespaces/{namespace}")["metadata"].get("labels") or {}
    layers = read_layers(kube, workload_view({"kind": kind, **raw}), labels)
    return document(
        "EffectivePolicy",
        namespace=namespace,
        workload=f"{kind}/{name}",
        policies=[layer.source for layer in in_order(layers)],
        values=[value.to_object() for value in explain(layers, labels)],
    )


def _print(found: Document) -> None:
    policies = ", ".join(found["policies"]) or "no policy"
    console().print(safe(f"{found['workload']} in {found['namespace']}: {policies}"), soft_wrap=True)
    table = Table(box=None, pad_edge=False)
    for title in ("FIELD", "VALUE", "FROM"):
        table.add_column(title, overflow="fold")
    for value in map(PolicyValue.model_validate, found["values"]):
        table.add_row(safe(value.field), safe(_text(value.value)), safe(value.source))
    console().print(table)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
