"""Servers of external metrics, run on this machine: they report the task backlog to an autoscaler."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localcluster import aggregation, certs
from localcluster.aggregation import Served
from localcluster.instance import Instance
from localcluster.ports import free_ports
from support.api import Api, path_of, until
from support.cluster import ROOT
from support.deployments import gone
from support.processes import running
from support.programs import program

RULE = ROOT / "manifests" / "monitoring" / "prometheus-adapter.yaml"
EXTERNAL = "external.metrics.k8s.io/v1beta1"
_WITHIN = 60


@contextmanager
def prometheus_adapter(instance: Instance, api: Api, prometheus: str, folder: Path) -> Iterator[None]:
    """prometheus-adapter with the rule that is shipped, for as long as the block lasts."""
    served = Served(EXTERNAL, "prometheus-adapter", "kube-system", instance.host_address, free_ports(1)[0])
    command = (
        str(program("prometheus-adapter")),
        f"--config={RULE}",
        f"--prometheus-url={prometheus}",
        "--metrics-relist-interval=5s",
        "--metrics-max-age=1m",
        *serving(instance, served),
    )
    with running(folder / "prometheus-adapter.log", *command), registered(instance, api, served):
        yield


def serving(instance: Instance, served: Served) -> tuple[str, ...]:
    """The options of every server behind the API server: its address, and the kubeconfig for authenticating callers."""
    certs.serving(instance, served.service, f"DNS:{served.host}")
    pki = certs.folder(instance)
    return (
        f"--lister-kubeconfig={instance.kubeconfig}",
        f"--authentication-kubeconfig={instance.kubeconfig}",
        f"--authorization-kubeconfig={instance.kubeconfig}",
        f"--bind-address={served.address}",
        f"--secure-port={served.port}",
        f"--tls-cert-file={pki / served.service}.crt",
        f"--tls-private-key-file={pki / served.service}.key",
    )


@contextmanager
def registered(instance: Instance, api: Api, served: Served) -> Iterator[None]:
    """Register it as an aggregated API. An API without a server would keep namespaces from being deleted."""
    made = aggregation.objects(instance, served)
    api.apply(*made)
    try:
        until(lambda: api.find(f"/apis/{EXTERNAL}"), _WITHIN, f"{served.service} serves {EXTERNAL}")
        yield
    finally:
        for obj in reversed(made):
            gone(api, path_of(obj))
