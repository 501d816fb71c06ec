"""Typed views of Kubernetes objects: the only form in which decisions see a cluster."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from prunella_workflows.model.base import Value
from prunella_workflows.model.pod_demands import PodDemands
from prunella_workflows.model.scaling import FieldOwners, Strategy
from prunella_workflows.model.signal import OwnerRef

_ENDED = frozenset({"Failed", "Succeeded"})
_REPAIRED_KINDS = frozenset({"Deployment", "StatefulSet", "DaemonSet"})


class WorkloadRef(Value):
    """The address of a workload. An empty uid means the object that has this name now."""

    api_version: str = "apps/v1"
    kind: str
    namespace: str
    name: str
    uid: str = ""

    @property
    def repairable(self) -> bool:
        """True for kinds whose repairs are proven; faults of all others are only reported."""
        return self.kind in _REPAIRED_KINDS

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


def ordinal(pod: str) -> int:
    """The ordinal in the name of a StatefulSet's pod; 0 for other names."""
    suffix = pod.rpartition("-")[2]
    return int(suffix) if suffix.isdecimal() else 0


def is_protected_namespace(namespace: str, protected: tuple[str, ...]) -> bool:
    """Report whether nothing in a namespace may be touched: kube-* never, nor those that the settings protect."""
    return namespace.startswith("kube-") or namespace in protected


class ContainerView(Value):
    """A container of a pod template. Memory in bytes, CPU in cores; environment by name only, never values."""

    name: str
    index: int
    init: bool = False
    image: str = ""
    memory_request: int | None = None
    memory_limit: int | None = None
    cpu_request: float | None = None
    cpu_limit: float | None = None
    environment: tuple[str, ...] = ()
    liveness: bool = False

    @property
    def requested_memory(self) -> int | None:
        """The memory that quotas count: without a request a container requests its limit."""
        return self.memory_limit if self.memory_request is None else self.memory_request

    @property
    def requested_cpu(self) -> float | None:
        """The CPU that quotas count."""
        return self.cpu_limit if self.cpu_request is None else self.cpu_request


class Outcome(StrEnum):
    """The state of work that runs to completion."""

    RUNNING = "Running"
    COMPLETE = "Complete"
    FAILED = "Failed"


class JobView(Value):
    """Work that runs to completion: a Job, the latest Job of a CronJob, or a bare pod. `failures`: failed tries."""

    name: str
    outcome: Outcome = Outcome.RUNNING
    reason: str = ""
    message: str = ""
    failures: int = 0


class WorkloadView(Value):
    """A workload's spec and status, as far as decisions need it.

    `template_hash` is the hash of the pod template without restart stamps; `revision` is the pods' template label
    of the current revision ("" before its pods are created). `custom_owners` are custom resources that own it, `owners`
    the field managers of `replicas` and of the `template`, `appliers` those of them that use server-side apply.
    `create_failure` is a Deployment's reason why its pods cannot be created. Seconds: `deadline` is that of a rollout,
    `start_budget` the time that probes allow a pod to start. `references` are the
    ConfigMaps and Secrets of its template (`Secret/token`), `probe_hosts` the hosts that its probes ask in its place.
    """

    ref: WorkloadRef
    generation: int
    observed_generation: int = 0
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    custom_owners: tuple[OwnerRef, ...] = ()
    owners: FieldOwners = Field(default_factory=dict)
    appliers: FieldOwners = Field(default_factory=dict)
    strategy: Strategy = Strategy()
    deleting: bool = False
    paused: bool = False
    replicas: int = 1
    updated_replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    total_replicas: int = 0
    progress_deadline_exceeded: bool = False
    message: str = ""
    create_failure: str = ""
    create_failed_since: datetime | None = None
    deadline: float = 600.0
    start_budget: float = 0.0
    template_hash: str = ""
    revision: str = ""
    containers: tuple[ContainerView, ...] = ()
    references: tuple[str, ...] = ()
    probe_hosts: tuple[str, ...] = ()
    last_action: str = ""
    run: JobView | None = None

    @property
    def complete(self) -> bool:
        """True if the current revision is rolled out and every replica is available."""
        return self.settled and self.updated_replicas == self.replicas

    @property
    def settled(self) -> bool:
        """True if every replica is available, and the current revision is rolled out as far as the strategy goes.

        Pods below the partition, and with OnDelete all that their owner did not delete, keep their revision.
        """
        updated = 0 if self.strategy.kind == "OnDelete" else self.replicas - self.strategy.partition
        return (
            self.observed_generation >= self.generation
            and self.updated_replicas >= updated
            and self.available_replicas == self.replicas
            and self.total_replicas == self.replicas
        )

    @property
    def ownership(self) -> str:
        """The custom resource that it belongs to, as a sentence; "" for none."""
        owner = next(iter(self.custom_owners), None)
        return f"{self.ref} belongs to {owner} ({owner.api_version})." if owner is not None else ""

    def is_held(self, pod: str) -> bool:
        """Report whether the partition keeps this pod on its revision."""
        return bool(self.strategy.partition) and ordinal(pod) < self.strategy.first_ordinal + self.strategy.partition


class Termination(Value):
    """The end of a container's process, by the kubelet's record."""

    reason: str = ""
    exit_code: int = 0
    message: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None


class ContainerStatusView(Value):
    """The state of a container of a pod, and the end of its last run."""

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
        """The recorded terminations, latest first."""
        return tuple(end for end in (self.terminated, self.last) if end is not None)


class PodView(Value):
    """A pod of the workload. `memory_limits` are those of its containers, which a webhook may have changed, and
    `memory_limit` that of the pod as a whole.

    `unready_since` is set for a pod that was ready once and is not now; a pod that is still starting has none.
    `node_lost`: its kubelet reported "ready", but the node has stopped reporting since.
    `resizing`: its kubelet has not applied its new resources yet; `resize_refused`: why it will not, or not now.
    `failed`: it ended in failure and is not replaced at once, as a ReplicaSet would do.
    `evicted`: why its kubelet evicted it, at `evicted_at`.
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
    node_lost: bool = False
    failed: bool = False
    evicted: str = ""
    evicted_at: datetime | None = None
    containers: tuple[ContainerStatusView, ...] = ()
    memory_limits: dict[str, int] = Field(default_factory=dict)
    memory_limit: int | None = None
    resizing: bool = False
    resize_refused: str = ""

    @property
    def live(self) -> bool:
        """True if it counts: not terminating, not completed, and not the remains of a replaced pod."""
        return not self.deleting and (self.failed or self.phase not in _ENDED)


class RevisionRef(Value):
    """The place of a pod template: a ReplicaSet of the history or a snapshot of our own (a ControllerRevision)."""

    source: str
    name: str
    template_hash: str


class RevisionView(Value):
    """A template this workload has had.

    `good_at`: when it was last seen available and stable; `good_since`: when for the first time; None means never.
    `ready_for`: seconds for which its pods were ready, when that was too short to prove it good.
    `inherited`: it is known only of a deleted workload of the same name.
    `content`: a digest of all but the checksum annotations that tools set to have pods replaced.
    """

    ref: RevisionRef
    number: int = 0
    images: tuple[str, ...] = ()
    memory_limits: dict[str, int] = Field(default_factory=dict)
    created_at: datetime | None = None
    current: bool = False
    good_at: datetime | None = None
    good_since: datetime | None = None
    ready_for: float | None = None
    inherited: bool = False
    demands: PodDemands = PodDemands()
    content: str = ""
    compatible: bool = True

    def __str__(self) -> str:
        name = f"revision {self.number}" if self.number else f"snapshot {self.ref.name}"
        return f"{name} ({', '.join(self.images)})"
