"""The identity of what sent telemetry, by OpenTelemetry's semantic conventions for resources. It can be forged."""

from functools import lru_cache
from typing import NamedTuple

from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from prunella_operator.telemetry.processing.texts import clean

_KINDS = {
    "k8s.deployment.name": "Deployment",
    "k8s.statefulset.name": "StatefulSet",
    "k8s.daemonset.name": "DaemonSet",
}
_LENGTH = 253
"""The longest name of a Kubernetes object."""
_OWN = "prunella"
"""The service name of our own telemetry, which is dropped: it would grow with what it reports."""


class Identity(NamedTuple):
    """A service and its pod; empty: not said. `template` is the pod-template-hash."""

    service: str = ""
    namespace: str = ""
    kind: str = ""
    workload: str = ""
    pod: str = ""
    pod_uid: str = ""
    node: str = ""
    template: str = ""

    @property
    def own(self) -> bool:
        """True for Prunella's own telemetry."""
        return self.service == _OWN or self.service.startswith(f"{_OWN}-")


FIELDS = Identity._fields
SEPARATOR = "\x1f"
"""Joins the parts of an identity; no part has it."""


@lru_cache(maxsize=16384)
def identify(resource: bytes) -> Identity:
    """Read a serialized resource.

    Raises:
        DecodeError: it is none.
    """
    found = Resource.FromString(resource)
    texts = {pair.key: clean(pair.value.string_value, _LENGTH).replace(SEPARATOR, "") for pair in found.attributes}
    owner = next((key for key in _KINDS if texts.get(key)), "")
    workload, owned_by = texts.get(owner, ""), texts.get("k8s.replicaset.name", "")
    return Identity(
        service=texts.get("service.name", ""),
        namespace=texts.get("k8s.namespace.name", ""),
        kind=_KINDS.get(owner, ""),
        workload=workload,
        pod=texts.get("k8s.pod.name", ""),
        pod_uid=texts.get("k8s.pod.uid", ""),
        node=texts.get("k8s.node.name", ""),
        template=owned_by.removeprefix(f"{workload}-") if workload and owned_by.startswith(f"{workload}-") else "",
    )
