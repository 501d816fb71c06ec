"""Typed views of what Kubernetes sends: the only form in which the brain sees a cluster."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from prunella_workflows.model.base import Value
from prunella_workflows.model.scaling import FieldOwners, Strategy

_OVER = frozenset({"Failed", "Succeeded"})
_REPAIRED_KINDS = frozenset({"Deployment", "StatefulSet", "DaemonSet"})


class WorkloadRef(Value):
    """The address of a workload. An empty uid means "whoever bears this name now"."""

    api_version: str = "apps/v1"
    kind: str
    namespace: str
    name: str
    uid: str = ""

    @property
    def repairable(self) -> bool:
        """Whether it is of a kind whose repairs are proven; all others are only reported."""
        return self.kind in _REPAIRED_KINDS

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


def is_protected_namespace(namespace: str, protected: tuple[str, ...]) -> bool:
    """Whether nothing in a namespace may be touched: kube-* never, nor those that the settings protect."""
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


class Outcome(StrEnum):
    """How far work is that comes to an end by itself."""

    RUNNING = "Running"
    COMPLETE = "Complete"
    FAILED = "Failed"


class JobView(Value):
    """Work that comes to an end: a Job, the latest Job of a CronJob, or a pod of its own.

    `failures` counts the tries that failed so far; `message` are the controller's words on the end.
    """

    name: str
    outcome: Outcome = Outcome.RUNNING
    reason: str = ""
    message: str = ""
    failures: int = 0


class WorkloadView(Value):
    """A workload's spec and status, as far as decisions need it.

    `template_hash` is the hash of the pod template without restart stamps; `revision` is the pods' template label
    of the current revision ("" when its pods were not made yet). `owners` are the field managers of `replicas` and of
    the `template`. `create_failure` is why a Deployment says that its pods cannot be made. Seconds: `deadline` is that
    of a rollout, `start_budget` what probes grant a pod.
    """

    ref: WorkloadRef
    generation: int
    observed_generation: int = 0
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    owners: FieldOwners = Field(default_factory=dict)
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
    last_action: str = ""
    run: JobView | None = None

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
    `node_lost`: its kubelet said "ready", and the control plane says otherwise since the node is not heard of.
    `resizing`: its kubelet has not applied its new resources yet; `resize_refused` says why it will not, or not now.
    `failed`: it ended in failure and nobody makes another in its place at once, as a ReplicaSet does.
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
    containers: tuple[ContainerStatusView, ...] = ()
    memory_limits: dict[str, int] = Field(default_factory=dict)
    resizing: bool = False
    resize_refused: str = ""

    @property
    def live(self) -> bool:
        """Whether it counts: not on its way out, not done, and not the remains of a pod that was replaced."""
        return not self.deleting and (self.failed or self.phase not in _OVER)


class RevisionRef(Value):
    """Where a pod template is kept: a ReplicaSet of the history or a snapshot of our own (a ControllerRevision)."""

    source: str
    name: str
    template_hash: str


class RevisionView(Value):
    """A template this workload has had.

    `good_at` tells when it was last seen available and stable, `good_since` when for the first time; None means never.
    Digests: `resources` of what its containers ask for, `content` of all but the marks of configuration that tools
    leave to have pods replaced.
    """

    ref: RevisionRef
    number: int = 0
    images: tuple[str, ...] = ()
    memory_limits: dict[str, int] = Field(default_factory=dict)
    created_at: datetime | None = None
    current: bool = False
    good_at: datetime | None = None
    good_since: datetime | None = None
    resources: str = ""
    content: str = ""
    compatible: bool = True

    def __str__(self) -> str:
        name = f"revision {self.number}" if self.number else f"snapshot {self.ref.name}"
        return f"{name} ({', '.join(self.images)})"
