"""The Vertical Pod Autoscaler: a VPA object for each workload, and its three programs with their built-in settings.

They run on this machine, beside metrics-server, which they read the usage of pods from.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from subprocess import Popen
from urllib.parse import urlsplit

from benchmark.healers.watching import Workloads, end_at_sigterm, until_stopped
from kubernetes.client.exceptions import ApiException
from localcluster import build
from localcluster.ports import free_ports
from support.api import Api, Object, documents, path_of, until
from support.cluster import define
from support.deployments import gone
from support.mutating_webhook import certificate
from support.processes import running

_GROUP, _PLURAL = "autoscaling.k8s.io", "verticalpodautoscalers"
_METRICS = "/apis/metrics.k8s.io/v1beta1"
_WEBHOOK = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/vpa-webhook-config"
_LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/vpa-admission-controller"
_EXISTS = 409
_STARTS_WITHIN = 90
Process = Popen[bytes]


def vpa(workload: Object) -> Object:
    """The VPA object of a workload: its pods are evicted and made again with what is recommended, single ones too."""
    meta = workload["metadata"]
    target = {"apiVersion": "apps/v1", "kind": workload["kind"], "name": meta["name"]}
    name = f"{workload['kind'].lower()}-{meta['name']}"
    return {
        "apiVersion": f"{_GROUP}/v1",
        "kind": "VerticalPodAutoscaler",
        "metadata": {"name": name, "namespace": meta["namespace"]},
        "spec": {"targetRef": target, "updatePolicy": {"updateMode": "Recreate", "minReplicas": 1}},
    }


def served_at(address: str, port: int) -> list[Object]:
    """The objects that tell the API server where the metrics API is served."""
    meta = {"name": "metrics-server", "namespace": "kube-system"}
    slice_meta = {**meta, "labels": {"kubernetes.io/service-name": "metrics-server"}}
    ports = [{"name": "https", "port": port, "protocol": "TCP"}]
    service = {"ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": port}]}
    api = {
        "group": "metrics.k8s.io",
        "version": "v1beta1",
        "service": {**meta, "port": 443},
        "insecureSkipTLSVerify": True,
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
    }
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": service},
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": slice_meta,
            "addressType": "IPv4",
            "endpoints": [{"addresses": [address]}],
            "ports": ports,
        },
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": "v1beta1.metrics.k8s.io"},
            "spec": api,
        },
    ]


@contextmanager
def autoscaling(api: Api, kubeconfig: Path) -> Iterator[list[Process]]:
    """Run everything during the block, and remove what was made outside of namespaces at its end."""
    address = _address_towards(api.server)
    with ExitStack() as stack:
        for definition in documents(build.binary("vpa-recommender").with_name("crds.yaml")):
            define(api, definition)
            stack.callback(gone, api, path_of(definition))
        measuring = stack.enter_context(_metrics(api, kubeconfig, address))
        for path in (_WEBHOOK, _LEASE):  # the admission controller leaves them behind
            stack.callback(gone, api, path)
        yield [measuring, *(stack.enter_context(running(*line)) for line in _programs(kubeconfig, address))]


@contextmanager
def _metrics(api: Api, kubeconfig: Path, address: str) -> Iterator[Process]:
    """The metrics API. One without a server would keep namespaces from being deleted."""
    (port,) = free_ports(1)
    made = served_at(address, port)
    with running(*_metrics_server(kubeconfig, address, port)) as process:
        api.apply(*made)
        try:
            until(lambda: api.find(_METRICS), _STARTS_WITHIN, "the metrics API is served")
            yield process
        finally:
            for obj in reversed(made):
                gone(api, path_of(obj))


def _metrics_server(kubeconfig: Path, address: str, port: int) -> tuple[Path | str, ...]:
    return (
        Path("metrics-server.log"),
        str(build.binary("metrics-server")),
        *(f"--{use}kubeconfig={kubeconfig}" for use in ("", "authentication-", "authorization-")),
        f"--bind-address={address}",
        f"--secure-port={port}",
        "--cert-dir=metrics-server",
        "--kubelet-insecure-tls",
        "--kubelet-preferred-address-types=InternalIP",
        "--metric-resolution=15s",  # as in its own manifests
    )


def _programs(kubeconfig: Path, address: str) -> Iterator[tuple[Path | str, ...]]:
    """The three programs; the API server calls the admission controller at this address."""
    hook, *ports = free_ports(4)
    served, key = certificate(Path.cwd(), address)
    hooked = (
        f"--client-ca-file={served}",
        f"--tls-cert-file={served}",
        f"--tls-private-key={key}",
        f"--port={hook}",
        "--register-by-url",
        f"--webhook-address=https://{address}",
        f"--webhook-port={hook}",
    )
    options = {"vpa-recommender": (), "vpa-updater": (), "vpa-admission-controller": hooked}
    for (name, more), port in zip(options.items(), ports, strict=True):
        common = (f"--kubeconfig={kubeconfig}", f"--address=127.0.0.1:{port}")
        yield (Path(f"{name}.log"), str(build.binary(name)), *common, *more)


def _address_towards(server: str) -> str:
    """The address of this machine at which the API server reaches it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((urlsplit(server).hostname, 443))
        return str(probe.getsockname()[0])


class Scaled:
    """Gives each workload a VPA object, once."""

    def __init__(self, workloads: Workloads) -> None:
        self._workloads = workloads
        self._known: set[str] = set()

    def add(self) -> None:
        """Give one to each new workload. A namespace that is being deleted takes none."""
        for workload in self._workloads.all():
            if workload["metadata"]["uid"] not in self._known:
                self._add(workload)

    def _add(self, workload: Object) -> None:
        try:
            self._workloads.create(vpa(workload), _GROUP, _PLURAL)
        except ApiException as error:
            if error.status != _EXISTS:  # as for a workload that is made again
                print(f"no VPA: {error}", flush=True)
                return
        self._known.add(workload["metadata"]["uid"])


def main() -> None:
    """Run the autoscaler until SIGTERM."""
    end_at_sigterm()
    kubeconfig, scaled = Path(os.environ["KUBECONFIG"]), Scaled(Workloads())
    api = Api(str(kubeconfig))
    with autoscaling(api, kubeconfig) as processes:
        until(lambda: api.find(_WEBHOOK), _STARTS_WITHIN, "the admission controller is registered")

        def step() -> None:
            assert all(process.poll() is None for process in processes), "a program of the autoscaler has ended"
            scaled.add()

        until_stopped(step)


if __name__ == "__main__":
    main()
