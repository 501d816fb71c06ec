"""A case of the fault suite, and the stage that it is played on: a namespace of its own.

A case is two functions: `before` creates the healthy state, `breaks` the fault. The tests only check the end states.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from support import samples
from support.api import Object
from support.cluster import Cluster

from prunella_operator import clock


@dataclass(frozen=True)
class Case:
    """One fault and its expected outcome."""

    name: str
    workload: str
    before: Callable[["Stage"], None] | None
    breaks: Callable[["Stage"], None]
    phase: str | None
    """The phase in which its incident ends; None: there must not be one."""
    reason: str
    """The reason of that phase; "": any, where several are right."""
    cause: str = ""
    writes: int = 0
    """The number of Prunella's writes to an object of the owner: each repair and each undo is one."""
    deletes: int = 0
    """The number of the workload's pods that it deletes: the broken ones that a StatefulSet would wait for."""
    spared: int = 0
    """The number of these that the StatefulSet may replace itself, if they happen to be ready between two crashes."""
    refused: bool = False
    """An admission policy refuses its write."""
    incidents: int = 1
    about: int = 0
    """The index of the incident that the other fields are about."""
    beside: tuple[str, ...] = ()
    """Other workloads that Prunella may repair too; their repairs count as writes of this case."""
    policy: dict[str, Any] | None = field(default_factory=dict)
    """Changes to the samples' policy; None: no policy at all."""
    sample: str | None = None
    kind: str = "Deployment"
    unrecorded: bool = False
    """Prunella keeps no snapshot of it: it must ignore it, or may write nothing in its namespace."""
    slow: bool = False
    """It takes minutes, so it must begin first."""
    then: Callable[["Stage"], None] | None = None
    """The actions of people once it is broken; may wait and assert."""

    def ends_as(self, phase: str | None, reason: str) -> bool:
        """Check that this is an end that is right."""
        return phase == self.phase and self.reason in ("", reason)


class Stage:
    """A case in a namespace of its own: healthy first, then broken. It knows nothing of what heals it."""

    def __init__(self, case: Case, cluster: Cluster, namespace: str, labels: Mapping[str, str]) -> None:
        self.case = case
        self.cluster = cluster
        self.api = cluster.api
        self.namespace = namespace
        self.first: Object = {}
        """The workload when it was healthy."""
        self.broken: Object = {}
        """The workload as its owner left it."""
        self.pods: dict[str, str] = {}
        """The names and uids of the pods of the namespace when it was healthy."""
        self.cluster_scoped: list[str] = []
        """Paths of what was made outside of the namespace; it is deleted at the end."""
        self.broken_at: datetime | None = None
        """The time at which it began to be broken."""
        self._labels = labels

    def load(self, file: str, sample: str | None = None) -> list[Object]:
        """The objects of one of the sample's files, in this namespace."""
        return samples.load(sample or self.case.sample or self.case.name, file, self.namespace)

    @property
    def path(self) -> str:
        """The workload's path."""
        prefix = {"Pod": "/api/v1", "Job": "/apis/batch/v1", "CronJob": "/apis/batch/v1"}.get(
            self.case.kind, "/apis/apps/v1"
        )
        return f"{prefix}/namespaces/{self.namespace}/{self.resource}s/{self.case.workload}"

    @property
    def resource(self) -> str:
        """The workload's resource in the singular."""
        return self.case.kind.lower()

    def live(self) -> Object:
        """The workload as it is now."""
        return self.api.get(self.path)

    def prepare(self, *policies: Object) -> None:
        """Make the namespace, these policies, and what is healthy."""
        labels = {"prunella-tests": self.case.name, **self._labels}
        self.api.apply(samples.namespace_of(self.case.sample or self.case.name, self.namespace, labels), *policies)
        if self.case.before:
            self.case.before(self)

    def break_it(self) -> None:
        """Break it, and remember the owner's version."""
        if self.case.before and self.case.workload:
            self.first = self.live()
            self.pods = {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in self.api.pods(self.namespace)}
        self.broken_at = clock.now()
        self.case.breaks(self)
        if self.case.workload:
            self.broken = self.live()

    def clear(self) -> None:
        """Delete what was made, without waiting."""
        for path in (f"/api/v1/namespaces/{self.namespace}", *self.cluster_scoped):
            self.api.delete(path)
