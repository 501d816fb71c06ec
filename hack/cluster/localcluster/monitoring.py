"""Prometheus, Alertmanager and metrics-server, for those who want them: `up --monitoring`.

They run beside the other components, in the cluster's own network.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from localcluster import aggregation, alertmanager, api, build, certs, scraping
from localcluster.aggregation import Served
from localcluster.console import ClusterError, run
from localcluster.instance import Instance
from localcluster.processes import Component

PROMETHEUS_PORT, ALERTMANAGER_PORT, METRICS_SERVER_PORT = 9090, 9093, 4443
_PAGES = (PROMETHEUS_PORT, ALERTMANAGER_PORT)
_METRICS = "metrics.k8s.io/v1beta1"


def folder(instance: Instance) -> Path:
    """Configuration and data: `rules` and `targets` are for files of tests."""
    return instance.folder / "monitoring"


def url(instance: Instance, port: int) -> str:
    """The address at which this machine reaches a component."""
    return f"http://{instance.address}:{port}"


def components(instance: Instance) -> list[Component]:
    """In the order in which they are started."""
    return [_metrics_server(instance), _alertmanager(instance), _prometheus(instance)]


def _prometheus(instance: Instance) -> Component:
    here = folder(instance)
    command = (
        str(build.binary("prometheus")),
        f"--config.file={here / 'prometheus.json'}",
        f"--storage.tsdb.path={here / 'prometheus'}",
        "--storage.tsdb.retention.time=12h",
        f"--web.listen-address={instance.address}:{PROMETHEUS_PORT}",
        f"--web.external-url={url(instance, PROMETHEUS_PORT)}",
        "--web.enable-lifecycle",
        "--log.level=warn",
    )
    return Component("prometheus", command, str(PROMETHEUS_PORT))


def _alertmanager(instance: Instance) -> Component:
    here = folder(instance)
    command = (
        *alertmanager.command(),
        f"--config.file={here / 'alertmanager.json'}",
        f"--storage.path={here / 'alertmanager'}",
        f"--web.listen-address={instance.address}:{ALERTMANAGER_PORT}",
        f"--web.external-url={url(instance, ALERTMANAGER_PORT)}",
        "--cluster.listen-address=",  # it is alone
        "--log.level=warn",
    )
    return Component("alertmanager", command, str(ALERTMANAGER_PORT))


def _metrics_server(instance: Instance) -> Component:
    pki = certs.folder(instance)
    kubeconfig = pki / "admin.kubeconfig"
    command = (
        str(build.binary("metrics-server")),
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        f"--bind-address={instance.address}",
        f"--secure-port={METRICS_SERVER_PORT}",
        f"--tls-cert-file={pki / 'metrics-server.crt'}",
        f"--tls-private-key-file={pki / 'metrics-server.key'}",
        f"--kubelet-certificate-authority={pki / 'ca.crt'}",
        "--kubelet-preferred-address-types=InternalIP",
        "--metric-resolution=10s",  # the shortest it takes, and more than:
        "--kubelet-request-timeout=5s",
    )
    return Component("metrics-server", command, str(METRICS_SERVER_PORT))


@dataclass(frozen=True)
class Alerts:
    """Destination of alerts: a webhook, and the file with its bearer token."""

    webhook: str | None = None
    token_file: Path | None = None


def prepare(instance: Instance, alerts: Alerts) -> None:
    """Keys and configuration, written at each start; the routing of alerts is kept unless it is given again."""
    here = folder(instance)
    for name in ("rules", "targets", "prometheus", "alertmanager"):
        (here / name).mkdir(parents=True, exist_ok=True)
    certs.serving(instance, "metrics-server", f"DNS:{served(instance).host}")
    jobs = scraping.configuration(instance, here, ALERTMANAGER_PORT)
    (here / "prometheus.json").write_text(json.dumps(jobs, indent=2) + "\n")
    alertmanager.write_routing(here / "alertmanager.json", alerts.webhook, alerts.token_file)


def register(instance: Instance) -> None:
    """Tell the API server where metrics.k8s.io is served."""
    objects = {"apiVersion": "v1", "kind": "List", "items": aggregation.objects(instance, served(instance))}
    run(
        build.binary("kubectl", minor=instance.kubernetes),
        "--kubeconfig",
        instance.kubeconfig,
        "apply",
        "-f",
        "-",
        stdin=json.dumps(objects),
    )


def served(instance: Instance) -> Served:
    return Served(_METRICS, "metrics-server", "kube-system", instance.address, METRICS_SERVER_PORT)


def ready(instance: Instance) -> bool:
    """Do all three answer?"""
    measured = api.get(instance, f"/apis/{_METRICS}") is not None
    return measured and all(api.answers(f"{url(instance, port)}/-/ready") for port in _PAGES)


def reload(instance: Instance) -> None:
    """Read the configuration again, rules and routing included."""
    for port in _PAGES:
        if not api.answers(f"{url(instance, port)}/-/reload", post=True):
            raise ClusterError(
                f"{url(instance, port)} refuses its configuration: see `logs prometheus`, `logs alertmanager`"
            )
