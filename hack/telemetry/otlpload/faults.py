"""Faults to switch on: what goes wrong, in which service, and in which part of it."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from otlpload.shop import NODES, Pod, Shop


class FaultKind(StrEnum):
    """The kind of a fault."""

    ERRORS = "errors"
    """A share of the requests fails, with an error log."""
    LATENCY = "latency"
    """Requests take longer in the service itself."""
    NETWORK = "network"
    """Calls of the service take longer on their way."""
    SATURATION = "saturation"
    """The pods use all of their memory and CPU."""


class Part(StrEnum):
    """The part of the service that is bad."""

    NEW_PODS = "new-pods"
    ONE_POD = "one-pod"
    ONE_NODE = "one-node"
    ALL = "all"


@dataclass(frozen=True)
class Fault:
    """A fault; `share` of errors is per request of a bad pod, `extra_ms` is added to its requests."""

    kind: FaultKind
    service: str = "payment"
    part: Part = Part.ALL
    share: float = 0.6
    extra_ms: float = 400.0


@dataclass(frozen=True)
class ActiveFault:
    """A fault and the pods that have it."""

    fault: Fault
    pods: Collection[str]

    def hits(self, pod: Pod, kind: FaultKind) -> bool:
        """Is this pod bad in this way?"""
        return self.fault.kind is kind and pod.name in self.pods


def switch_on(fault: Fault, shop: Shop) -> ActiveFault:
    """Choose the bad pods; new pods are rolled out first. One node is bad for all services that run on it."""
    if fault.part is Part.NEW_PODS:
        bad: Collection[Pod] = shop.roll_out(fault.service)
    else:
        bad = {
            Part.ALL: shop.services[fault.service].pods,
            Part.ONE_POD: shop.services[fault.service].pods[:1],
            Part.ONE_NODE: [pod for one in shop.services.values() for pod in one.pods if pod.node == NODES[0]],
        }[fault.part]
    return ActiveFault(fault, frozenset(pod.name for pod in bad))
