"""Typed views of what Kubernetes sends: the only form in which the brain sees a cluster."""

from datetime import datetime

from pydantic import Field

from prunella_workflows.model.base import Value

_OVER = frozenset({"Failed", "Succeeded"})


class WorkloadRef(Value):
    """The address of a workload. An empty uid means "whoever bears this name now"."""

    api_version: str = "apps/v1"
    kind: str
    namespace: str
    name: str
    uid: str = ""

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


class ContainerView(Value):
    """A container of a pod template. Memory in bytes; environment by name only, values never leave the cluster."""

    name: str
    index: int
    init: bool = False
    image: str = ""
    memory_request: int | None = None
    memory_limit: int | None = None
    environment: tuple[str, ...] = ()


class WorkloadView(Value):
    """A workload's spec and status, as far as decisions need it.

    `template_hash` is the hash of the pod template without restart stamps; `revision` is the pods' template label
    of the current revision ("" when its pods were not made yet).
    """

    ref: WorkloadRef
    generation: int
    observed_generation: int = 0
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    managers: tuple[str, ...] = ()
    deleting: bool = False
    paused: bool = False
    replicas: int = 1
    updated_replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    total_replicas: int = 0
    progress_deadline_exceeded: bool = False
    message: str = ""
    template_hash: str = ""
    revision: str = ""
    containers: tuple[ContainerView, ...] = ()
    last_action: str = ""

    @property
    def complete(self) -> bool:
        """Whether the current revision is rolled out and every replica is available."""
        return (
            self.observed_generation >= self.generation
            and self.updated_replicas == self.replicas
            and self.available_replicas == self.replicas
            and self.total_replicas == self.replicas
        )


class Termination(Value):
    """How a container's process ended, by the kubelet's record."""

    reason: str = ""
    exit_code: int = 0
    message: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None


class ContainerStatusView(Value):
    """What a container of a pod is doing now and how its last run ended."""

    name: str
    init: bool = False
    ready: bool = False
    restarts: int = 0
    waiting: str = ""
    message: str = ""
    running_since: datetime | None = None
    terminated: Termination | None = None
    last: Termination | None = None

    @property
    def terminations(self) -> tuple[Termination, ...]:
        """The terminations that are still on record, newest first."""
        return tuple(one for one in (self.terminated, self.last) if one is not None)


class PodView(Value):
    """A pod of the workload. `memory_limits` are the pod's own, which a webhook may have changed.

    `unready_since` is set for a pod that was ready once and is not now; a pod that still starts has none.
    """

    name: str
    uid: str
    created_at: datetime | None = None
    deleting: bool = False
    phase: str = ""
    ready: bool = False
    ready_since: datetime | None = None
    unready_since: datetime | None = None
    unschedulable: str = ""
    revision: str = ""
    node: str = ""
    containers: tuple[ContainerStatusView, ...] = ()
    memory_limits: dict[str, int] = Field(default_factory=dict)

    @property
    def live(self) -> bool:
        """Whether its controller counts on it: not on its way out, and not the remains of an evicted pod."""
        return not self.deleting and self.phase not in _OVER


class RevisionRef(Value):
    """Where a pod template is kept: a ReplicaSet of the history or a snapshot of our own (a ControllerRevision)."""

    source: str
    name: str
    template_hash: str


class RevisionView(Value):
    """A template this workload has had.

    `good_at` tells when it was last seen available and stable; None means never.
    """

    ref: RevisionRef
    number: int = 0
    images: tuple[str, ...] = ()
    memory_limits: dict[str, int] = Field(default_factory=dict)
    created_at: datetime | None = None
    current: bool = False
    good_at: datetime | None = None
    compatible: bool = True

    def __str__(self) -> str:
        name = f"revision {self.number}" if self.number else f"snapshot {self.ref.name}"
        return f"{name} ({', '.join(self.images)})"
