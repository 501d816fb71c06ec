"""A real KEDA for a cluster: its operator and metrics adapter as processes of this machine."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import yaml
from localcluster import certs
from localcluster.aggregation import Served
from localcluster.instance import Instance
from localcluster.ports import free_ports
from support.access_control import MANIFESTS
from support.api import Api, Object, documents, path_of
from support.cluster import Cluster, define
from support.deployments import gone
from support.external_metrics import EXTERNAL, registered, serving
from support.installation import merged, relative_path
from support.processes import running
from support.programs import program


@contextmanager
def keda(instance: Instance, api: Api, folder: Path) -> Iterator[None]:
    """Run KEDA for the block. Delete its ScaledObjects before the end: only KEDA removes their finalizers."""
    port, secure = free_ports(2)
    served = Served(EXTERNAL, "keda-metrics-apiserver", "kube-system", instance.host_address, secure)
    keys, address, environment = _keys(instance, folder), f"127.0.0.1:{port}", _environment(instance)
    adapter = (*_adapter(keys, address), *serving(instance, served))
    with ExitStack() as stack:
        stack.enter_context(defined(api))
        stack.enter_context(running(folder / "keda-operator.log", *_operator(keys, address), env=environment))
        stack.enter_context(running(folder / "keda-adapter.log", *adapter, env=environment))
        stack.enter_context(registered(instance, api, served))
        yield


def _environment(instance: Instance) -> dict[str, str]:
    """The environment: all namespaces are watched, and settings replace the files that a pod has in a cluster."""
    home = {"POD_NAMESPACE": "keda", "KEDA_CLUSTER_OBJECT_NAMESPACE": "keda"}
    return {**os.environ, **home, "KUBECONFIG": str(instance.kubeconfig), "WATCH_NAMESPACE": ""}


def _operator(keys: Path, address: str) -> tuple[str, ...]:
    """The operator's command: it queries the sources, makes autoscalers, and answers the adapter at this address."""
    return (
        str(program("keda-operator")),
        f"--cert-dir={keys}",
        f"--metrics-service-bind-address={address}",
        f"--health-probe-bind-address=127.0.0.1:{free_ports(1)[0]}",
        "--enable-prometheus-metrics=false",
    )


def _adapter(keys: Path, address: str) -> tuple[str, ...]:
    """The adapter's command: it gives the operator's figures to the API server. Its metrics cannot be disabled."""
    return (
        str(program("keda-adapter")),
        f"--cert-dir={keys}",
        f"--metrics-service-address={address}",
        f"--port={free_ports(1)[0]}",
    )


@contextmanager
def defined(api: Api) -> Iterator[None]:
    """Define KEDA's own kinds: its operator needs all of them."""
    definitions = documents(program("keda-operator").with_name("crds.yaml"))
    try:
        for definition in definitions:
            define(api, definition)
        yield
    finally:
        for definition in definitions:
            gone(api, path_of(definition))


def _keys(instance: Instance, folder: Path) -> Path:
    """The certificate by which operator and adapter know each other: one for both, as in KEDA's own Secret."""
    certs.serving(instance, "keda", "IP:127.0.0.1")
    made = folder / "keda-certificates"
    made.mkdir()
    for name, source in {"ca.crt": "ca.crt", "tls.crt": "keda.crt", "tls.key": "keda.key"}.items():
        shutil.copy(certs.folder(instance) / source, made / name)
    return made


def with_keda(cluster: Cluster, folder: Path, **settings: str) -> list[Object]:
    """The objects of the overlay for production with KEDA's component and the given settings."""
    parts = {"resources": "overlays/production", "components": "components/keda"}
    body: Object = {kind: [relative_path(folder, MANIFESTS / place)] for kind, place in parts.items()}
    body["configMapGenerator"] = [merged([f"PRUNELLA_{name.upper()}={value}" for name, value in settings.items()])]
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(body))
    return [document for document in yaml.safe_load_all(cluster.kubectl("kustomize", str(folder))) if document]
