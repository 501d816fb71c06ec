"""The basis of the status of policies, as watches decode it: policies, and labels of namespaces and workloads."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from msgspec import field as wire_field

from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.decoding import LabelledMetadata, Metadata, WireStruct
from prunella_operator.kubernetes.watch.resource import Observed, Resource


class Policy(WireStruct, frozen=True):
    """A policy of either kind."""

    metadata: Metadata
    spec: Object = wire_field(default_factory=dict)
    status: Object = wire_field(default_factory=dict)


class Labelled(Protocol):
    """A decoded object with its labels."""

    @property
    def metadata(self) -> LabelledMetadata:
        """Its identity and its labels."""


class Namespace(WireStruct, frozen=True):
    """A namespace."""

    metadata: LabelledMetadata


POLICIES = Resource(paths.API, "healingpolicies", "HealingPolicy", Policy)
CLUSTER_POLICIES = Resource(paths.API, "clusterhealingpolicies", "ClusterHealingPolicy", Policy)
NAMESPACES = Resource("/api/v1", "namespaces", "Namespace", Namespace)

T = TypeVar("T", bound=Observed)
V = TypeVar("V")


@dataclass(slots=True)
class Known(Generic[T, V]):
    """The value that `read` takes from each object of a watch, by uid. `changed` is called when one changes."""

    read: Callable[[T], V]
    changed: Callable[[], None]
    values: dict[str, V] = field(default_factory=dict)

    def on_upsert(self, obj: T, _at: datetime) -> None:
        """Remember it."""
        value, uid = self.read(obj), obj.metadata.uid
        if uid not in self.values or self.values[uid] != value:
            self.values[uid] = value
            self.changed()

    def on_delete(self, uid: str, _at: datetime) -> None:
        """Forget it."""
        if uid in self.values:
            del self.values[uid]
            self.changed()


Labels = Mapping[str, str]


def namespace_and_labels(obj: Labelled) -> tuple[str, Labels]:
    """The namespace of a workload, and its labels."""
    return obj.metadata.namespace, obj.metadata.labels or {}


def name_and_labels(obj: Labelled) -> tuple[str, Labels]:
    """The name of a namespace, and its labels."""
    return obj.metadata.name, obj.metadata.labels or {}
