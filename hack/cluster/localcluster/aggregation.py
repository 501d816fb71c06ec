"""APIs that other servers than the API server serve: what it must be told of them."""

import base64
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from localcluster import certs
from localcluster.instance import Instance


@dataclass(frozen=True)
class Served:
    """One version of an API group, and the server behind it, which has a certificate for the name of its Service."""

    api: str
    """As in `metrics.k8s.io/v1beta1`."""
    service: str
    namespace: str
    address: IPv4Address
    port: int

    @property
    def host(self) -> str:
        """The host name that the API server expects in the certificate."""
        return f"{self.service}.{self.namespace}.svc"

    @property
    def name(self) -> str:
        """The name of the APIService."""
        group, version = self.api.split("/")
        return f"{version}.{group}"


def objects(instance: Instance, served: Served) -> list[dict[str, Any]]:
    """A Service without a selector, its one address, and the API that it serves."""
    meta = {"name": served.service, "namespace": served.namespace}
    group, version = served.api.split("/")
    authority = (certs.folder(instance) / "ca.crt").read_bytes()
    port = {"name": "https", "port": served.port, "protocol": "TCP"}
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta,
            "spec": {"ports": [{**port, "port": 443, "targetPort": served.port}]},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {**meta, "labels": {"kubernetes.io/service-name": served.service}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [str(served.address)]}],
            "ports": [port],
        },
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": served.name},
            "spec": {
                "group": group,
                "version": version,
                "service": {**meta, "port": 443},
                "caBundle": base64.b64encode(authority).decode(),
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
            },
        },
    ]
