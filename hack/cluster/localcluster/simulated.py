"""A cluster without a node: kwok plays the kubelets of fake nodes, everything else is real. For benchmarks."""

import json
from typing import Any

from localcluster import build, certs
from localcluster.console import run
from localcluster.instance import Instance
from localcluster.processes import Component

FAKE = {"kwok.x-k8s.io/node": "fake"}
SIZE = {"cpu": "1000", "memory": "4Ti", "pods": "2000"}


def components(instance: Instance) -> list[Component]:
    """Kwok alone."""
    program = build.binary("kwok", simulated=True)
    command = (
        str(program),
        f"--kubeconfig={certs.folder(instance) / 'admin.kubeconfig'}",
        f"--config={program.with_name('stages.yaml')}",
        "--manage-all-nodes=false",
        "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
        "--node-lease-duration-seconds=40",
        f"--node-ip={instance.address}",
        f"--cidr={instance.pods}",
    )
    return [Component("kwok", command)]


def create_nodes(instance: Instance) -> None:
    """Register the fake nodes; doing it again changes nothing."""
    nodes = {"apiVersion": "v1", "kind": "List", "items": [_node(number) for number in range(instance.nodes)]}
    kubectl = build.binary("kubectl", minor=instance.kubernetes)
    run(kubectl, "--kubeconfig", instance.kubeconfig, "apply", "-f", "-", stdin=json.dumps(nodes), timeout=120)


def _node(number: int) -> dict[str, Any]:
    name = f"fake-{number}"
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "type": "kwok"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "annotations": FAKE, "labels": labels},
        "status": {"allocatable": SIZE, "capacity": SIZE},
    }
