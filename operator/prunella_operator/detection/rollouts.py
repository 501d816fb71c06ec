"""`RolloutSource`: sees rollouts that do not come to an end, and those that do.

One watch each for Deployments, StatefulSets and DaemonSets. A rollout past its deadline becomes a Signal (only
Deployments have one), and so does one that stands still; one that completed is told to `on_settled`, from which the
known-good revisions are recorded. It only reports, and keeps two numbers per workload.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, NamedTuple, NoReturn, TypeVar

from prunella_operator.detection.stalled_rollouts import Progress, StalledRolloutTracker
from prunella_operator.kubernetes.access import Access
from prunella_operator.kubernetes.decoding import Metadata, WireStruct
from prunella_operator.kubernetes.watch.resource import Resource, Scope, WatchStats, WatchTimings
from prunella_operator.kubernetes.watch.watch import Watch
from prunella_workflows.model.incident import IncidentType
from prunella_workflows.model.signal import Signal

DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
_LONGEST_MESSAGE = 300

OnSettled = Callable[[str, str, str, str, int], None]  # kind, namespace, name, uid, generation


class Condition(WireStruct, frozen=True):
    """A condition of a Deployment."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: datetime | None = None


class RolloutSpec(WireStruct, frozen=True):
    """The part of the wish that tells whether it is fulfilled."""

    replicas: int = 1
    paused: bool = False


class RolloutStatus(WireStruct, frozen=True):
    """How far the rollout of a Deployment or StatefulSet is."""

    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0
    available_replicas: int = 0
    conditions: tuple[Condition, ...] | None = None


class Rollout(WireStruct, frozen=True):
    """A Deployment or StatefulSet as the sensor sees it."""

    metadata: Metadata
    spec: RolloutSpec = RolloutSpec()
    status: RolloutStatus = RolloutStatus()

    @property
    def settled(self) -> bool:
        """Whether what is wished for runs, all of it and nothing else."""
        status, wanted = self.status, self.spec.replicas
        counts = {status.updated_replicas, status.available_replicas, status.replicas}
        return _observed(self.metadata, status.observed_generation) and wanted > 0 and counts == {wanted}

    @property
    def progress(self) -> Progress | None:
        """How far it is; None when nothing more is wanted of it."""
        status = self.status
        if self.metadata.deletion_timestamp or self.spec.paused or self.spec.replicas == 0 or self.settled:
            return None
        refused = any(
            condition.type == "ReplicaFailure" and condition.status == "True" for condition in status.conditions or ()
        )
        numbers = (status.updated_replicas, status.available_replicas, status.replicas)
        return Progress(self.metadata.generation, *numbers, refused)

    @property
    def overdue(self) -> Condition | None:
        """The condition that says the rollout is past its deadline, if it is."""
        if self.metadata.deletion_timestamp or self.spec.paused:
            return None
        late = (c for c in self.status.conditions or () if c.type == "Progressing" and c.status == "False")
        return next((condition for condition in late if condition.reason == DEADLINE_EXCEEDED), None)


class DaemonStatus(WireStruct, frozen=True):
    """How far the rollout of a DaemonSet is."""

    observed_generation: int = 0
    desired_number_scheduled: int = 0
    current_number_scheduled: int = 0
    updated_number_scheduled: int = 0
    number_available: int = 0


class DaemonRollout(WireStruct, frozen=True):
    """A DaemonSet as the sensor sees it. It has no deadline."""

    metadata: Metadata
    status: DaemonStatus = DaemonStatus()

    @property
    def settled(self) -> bool:
        """Whether every node that should have a pod has one of the current revision, available."""
        status = self.status
        counts = {status.current_number_scheduled, status.updated_number_scheduled, status.number_available}
        wanted = status.desired_number_scheduled
        return _observed(self.metadata, status.observed_generation) and wanted > 0 and counts == {wanted}

    @property
    def progress(self) -> Progress | None:
        """How far it is; None when nothing more is wanted of it."""
        status = self.status
        if self.metadata.deletion_timestamp or status.desired_number_scheduled == 0 or self.settled:
            return None
        numbers = (status.updated_number_scheduled, status.number_available, status.current_number_scheduled)
        return Progress(self.metadata.generation, *numbers)

    @property
    def overdue(self) -> Condition | None:
        """Never: a DaemonSet knows no deadline."""
        return None


def _observed(metadata: Metadata, generation: int) -> bool:
    return generation >= metadata.generation and metadata.deletion_timestamp is None


class Memory(NamedTuple):
    """The generations that were reported; 0 for none."""

    settled: int = 0
    overdue: int = 0


R = TypeVar("R", Rollout, DaemonRollout)

DEPLOYMENTS = Resource("/apis/apps/v1", "deployments", "Deployment", Rollout)
STATEFUL_SETS = Resource("/apis/apps/v1", "statefulsets", "StatefulSet", Rollout)
DAEMON_SETS = Resource("/apis/apps/v1", "daemonsets", "DaemonSet", DaemonRollout)


@dataclass(slots=True)
class RolloutSource(Generic[R]):
    """The watch on one kind of workload. Both callbacks are called in the event loop: they must be quick."""

    access: Access
    resource: Resource[R]
    emit: Callable[[Signal], None]
    on_settled: OnSettled
    scope: Scope = field(default_factory=Scope)
    pace: WatchTimings = field(default_factory=WatchTimings)
    stats: WatchStats = field(default_factory=WatchStats)
    _memory: dict[str, Memory] = field(default_factory=dict)
    _standstill: StalledRolloutTracker = field(init=False)

    def __post_init__(self) -> None:
        self._standstill = StalledRolloutTracker(self.emit)

    async def run(self) -> NoReturn:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._standstill.run())
            await Watch(self.access, self.resource, self, self.scope, self.pace, self.stats).run()

    def seen(self, obj: R, at: datetime) -> None:
        """Report what is new about the rollout; remembered only then."""
        meta, before = obj.metadata, self._memory.get(obj.metadata.uid, Memory())
        settled = meta.generation if obj.settled else 0
        if settled and settled != before.settled:
            self.on_settled(self.resource.kind, meta.namespace, meta.name, meta.uid, settled)
        # The condition speaks of the generation that the controller has seen, which may not be the latest.
        overdue = obj.status.observed_generation if obj.overdue else before.overdue
        if obj.overdue and overdue != before.overdue:
            self.emit(_overdue(self.resource.kind, obj.metadata, obj.overdue, at))
        if progress := obj.progress:
            self._standstill.seen(meta.uid, progress, _still(self.resource.kind, meta, progress, at), at)
        else:
            self._standstill.gone(meta.uid)
        self._memory[meta.uid] = Memory(settled, overdue)

    def gone(self, uid: str, _at: datetime) -> None:
        """Forget the workload."""
        self._standstill.gone(uid)
        self._memory.pop(uid, None)


def _overdue(kind: str, meta: Metadata, overdue: Condition, at: datetime) -> Signal:
    signal = _signal(kind, meta, DEADLINE_EXCEEDED, overdue.message[:_LONGEST_MESSAGE], at)
    return signal.model_copy(update={"fault_at": overdue.last_transition_time})


def _still(kind: str, meta: Metadata, progress: Progress, at: datetime) -> Signal:
    numbers = f"{progress.total} pod(s), {progress.updated} of the current revision, {progress.available} available"
    return _signal(kind, meta, "NoProgress", numbers, at)


def _signal(kind: str, meta: Metadata, reason: str, message: str, at: datetime) -> Signal:
    return Signal(
        source="rollouts",
        type=IncidentType.UNAVAILABLE,
        namespace=meta.namespace,
        kind=kind,
        name=meta.name,
        uid=meta.uid,
        reason=reason,
        message=message,
        ignored=meta.ignored,
        observed_at=at,
    )
