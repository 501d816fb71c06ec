"""`RolloutSource`: reports rollouts past their deadline (only Deployments have one), stalled ones and completed ones.

There is one watch per kind. Rollouts that are complete, but for a minority of their pods, go to `on_settled`, which
records known-good revisions.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Generic, NamedTuple, NoReturn, TypeVar

from prunella_operator.detection.flapping import FLAPPING_WINDOW, Availability, FlappingTracker
from prunella_operator.detection.stalled_rollouts import Progress, StalledRolloutTracker
from prunella_operator.detection.timer import check_regularly
from prunella_operator.kubernetes.access import Access
from prunella_operator.kubernetes.decoding import LabelledMetadata, WireStruct
from prunella_operator.kubernetes.watch.resource import Handler, Resource, Scope, WatchStats, WatchTimings
from prunella_operator.kubernetes.watch.watch import Watch
from prunella_workflows.model.incident import IncidentType
from prunella_workflows.model.signal import Signal

DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
ON_DELETE = "OnDelete"
MAX_MESSAGE_LENGTH = 300  # characters

OnSettled = Callable[[str, str, str, str, bool], None]  # kind, namespace, name, uid, whether it has just happened


class Condition(WireStruct, frozen=True):
    """A condition of a Deployment."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: datetime | None = None


class RollingUpdate(WireStruct, frozen=True):
    """The parameters of a StatefulSet's rolling update."""

    partition: int = 0


class UpdateStrategy(WireStruct, frozen=True):
    """The update strategy of a StatefulSet, by which its owner may hold pods on their revision."""

    type: str = ""
    rolling_update: RollingUpdate | None = None

    def held(self, replicas: int) -> int:
        """The number of pods that are not updated without the owner."""
        if self.type == ON_DELETE:
            return replicas
        return self.rolling_update.partition if self.rolling_update else 0


class RolloutSpec(WireStruct, frozen=True):
    """The part of the spec needed to decide whether a rollout is complete."""

    replicas: int = 1
    paused: bool = False
    update_strategy: UpdateStrategy = UpdateStrategy()


class RolloutStatus(WireStruct, frozen=True):
    """The rollout progress of a Deployment or StatefulSet."""

    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0
    available_replicas: int = 0
    conditions: tuple[Condition, ...] | None = None


class Rollout(WireStruct, frozen=True):
    """The fields of a Deployment or StatefulSet that the watch reads."""

    metadata: LabelledMetadata
    spec: RolloutSpec = RolloutSpec()
    status: RolloutStatus = RolloutStatus()

    @property
    def settled(self) -> bool:
        """True when there are exactly the desired pods, all of the current revision, and most of them are available."""
        status, wanted = self.status, self.spec.replicas
        rolled_out = status.updated_replicas == status.replicas == wanted and 2 * status.available_replicas > wanted
        return _is_observed(self.metadata, status.observed_generation) and rolled_out

    def _runs(self, updated: int) -> bool:
        """Report whether exactly the desired pods run, all available and at least `updated` of the current revision."""
        status, wanted = self.status, self.spec.replicas
        counts = {status.available_replicas, status.replicas}
        observed = _is_observed(self.metadata, status.observed_generation)
        return observed and wanted > 0 and counts == {wanted} and status.updated_replicas >= updated

    @property
    def progress(self) -> Progress | None:
        """The progress of an incomplete rollout; None when there is nothing left to do without the owner."""
        status, wanted = self.status, self.spec.replicas
        done = self._runs(wanted - self.spec.update_strategy.held(wanted))
        if self.metadata.deletion_timestamp or self.spec.paused or wanted == 0 or done:
            return None
        refused = any(c.type == "ReplicaFailure" and c.status == "True" for c in status.conditions or ())
        numbers = (status.updated_replicas, status.available_replicas, status.replicas)
        return Progress(self.metadata.generation, *numbers, refused)

    @property
    def availability(self) -> Availability:
        """The available and the wanted pods."""
        return Availability(self.metadata.generation, self.status.available_replicas, self.spec.replicas)

    @property
    def overdue(self) -> Condition | None:
        """The condition of a rollout past its deadline, if any."""
        if self.metadata.deletion_timestamp or self.spec.paused:
            return None
        failed = (c for c in self.status.conditions or () if c.type == "Progressing" and c.status == "False")
        return next((condition for condition in failed if condition.reason == DEADLINE_EXCEEDED), None)


class DaemonStrategy(WireStruct, frozen=True):
    """The update strategy of a DaemonSet."""

    type: str = ""


class DaemonSpec(WireStruct, frozen=True):
    """The part of a DaemonSet's spec needed to decide whether its rollout is complete."""

    update_strategy: DaemonStrategy = DaemonStrategy()


class DaemonStatus(WireStruct, frozen=True):
    """The rollout progress of a DaemonSet."""

    observed_generation: int = 0
    desired_number_scheduled: int = 0
    current_number_scheduled: int = 0
    updated_number_scheduled: int = 0
    number_available: int = 0


class DaemonRollout(WireStruct, frozen=True):
    """The fields of a DaemonSet that the watch reads. It has no deadline."""

    metadata: LabelledMetadata
    spec: DaemonSpec = DaemonSpec()
    status: DaemonStatus = DaemonStatus()
    overdue: ClassVar[Condition | None] = None

    @property
    def settled(self) -> bool:
        """True when every eligible node has a pod of the current revision, and most of them are available."""
        status, wanted = self.status, self.status.desired_number_scheduled
        counts = {status.current_number_scheduled, status.updated_number_scheduled}
        rolled_out = counts == {wanted} and 2 * status.number_available > wanted
        return _is_observed(self.metadata, status.observed_generation) and rolled_out

    def _runs(self, updated: int) -> bool:
        """Report whether every eligible node has an available pod, at least `updated` of them of this revision."""
        status, wanted = self.status, self.status.desired_number_scheduled
        counts = {status.current_number_scheduled, status.number_available}
        observed = _is_observed(self.metadata, status.observed_generation)
        return observed and wanted > 0 and counts == {wanted} and status.updated_number_scheduled >= updated

    @property
    def progress(self) -> Progress | None:
        """The progress of an incomplete rollout; None when there is nothing left to do without the owner."""
        status, wanted = self.status, self.status.desired_number_scheduled
        done = self._runs(0 if self.spec.update_strategy.type == ON_DELETE else wanted)
        if self.metadata.deletion_timestamp or wanted == 0 or done:
            return None
        numbers = (status.updated_number_scheduled, status.number_available, status.current_number_scheduled)
        return Progress(self.metadata.generation, *numbers)

    @property
    def availability(self) -> Availability:
        """The available and the wanted pods."""
        return Availability(
            self.metadata.generation, self.status.number_available, self.status.desired_number_scheduled
        )


def _is_observed(metadata: LabelledMetadata, generation: int) -> bool:
    return generation >= metadata.generation and metadata.deletion_timestamp is None


class Memory(NamedTuple):
    """The generations already reported, and the one that is complete; 0 for none."""

    settled: int = 0
    overdue: int = 0
    complete: int = 0


R = TypeVar("R", Rollout, DaemonRollout)

DEPLOYMENTS = Resource("/apis/apps/v1", "deployments", "Deployment", Rollout)
STATEFUL_SETS = Resource("/apis/apps/v1", "statefulsets", "StatefulSet", Rollout)
DAEMON_SETS = Resource("/apis/apps/v1", "daemonsets", "DaemonSet", DaemonRollout)


@dataclass(slots=True)
class RolloutSource(Generic[R]):
    """The watch on one kind of workload. Both callbacks are called in the event loop and must return quickly.

    `others` hear of the same objects, so that none of them needs a watch of its own.
    """

    access: Access
    resource: Resource[R]
    emit: Callable[[Signal], None]
    on_settled: OnSettled
    scope: Scope = field(default_factory=Scope)
    timings: WatchTimings = field(default_factory=WatchTimings)
    stats: WatchStats = field(default_factory=WatchStats)
    others: tuple[Handler[R], ...] = ()
    _memory: dict[str, Memory] = field(default_factory=dict)
    _stalled: StalledRolloutTracker = field(init=False)
    _flapping: FlappingTracker = field(init=False)

    def __post_init__(self) -> None:
        self._stalled = StalledRolloutTracker(self.emit)
        self._flapping = FlappingTracker(self.emit)

    async def run(self) -> NoReturn:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(check_regularly(self.report_due))
            await Watch(self.access, self.resource, self, self.scope, self.timings, self.stats).run()

    def on_upsert(self, obj: R, at: datetime) -> None:
        """Report changes of the rollout. They are remembered only after the callbacks have accepted them."""
        meta, watched = obj.metadata, obj.metadata.uid in self._memory
        before = self._memory.get(meta.uid, Memory())
        settled = meta.generation if obj.settled else 0
        if settled and settled != before.settled:
            self.on_settled(self.resource.kind, meta.namespace, meta.name, meta.uid, watched)
        # The condition describes the generation that the controller has observed, which may not be the latest.
        overdue = obj.status.observed_generation if obj.overdue else before.overdue
        if obj.overdue and overdue != before.overdue:
            self.emit(_overdue_signal(self.resource.kind, obj.metadata, obj.overdue, at))
        if progress := obj.progress:
            self._stalled.update(meta.uid, progress, _stalled_signal(self.resource.kind, meta, progress, at), at)
        else:
            self._stalled.forget(meta.uid)
        was_complete = progress is not None and before.complete == meta.generation
        signal = _flapping_signal(self.resource.kind, meta, at)
        self._flapping.update(meta.uid, obj.availability, signal, at, was_complete=was_complete)
        self._memory[meta.uid] = Memory(settled, overdue, 0 if progress else meta.generation)
        for other in self.others:
            other.on_upsert(obj, at)

    def report_due(self, now: datetime) -> None:
        """Report the rollouts that have stalled for too long."""
        self._stalled.report_due(now)

    def on_delete(self, uid: str, at: datetime) -> None:
        """Forget the workload."""
        self._stalled.forget(uid)
        self._flapping.forget(uid)
        self._memory.pop(uid, None)
        for other in self.others:
            other.on_delete(uid, at)


def _overdue_signal(kind: str, meta: LabelledMetadata, overdue: Condition, at: datetime) -> Signal:
    signal = _signal(kind, meta, DEADLINE_EXCEEDED, overdue.message[:MAX_MESSAGE_LENGTH], at)
    return signal.model_copy(update={"fault_at": overdue.last_transition_time})


def _stalled_signal(kind: str, meta: LabelledMetadata, progress: Progress, at: datetime) -> Signal:
    numbers = f"{progress.total} pod(s), {progress.updated} of the current revision, {progress.available} available"
    return _signal(kind, meta, "NoProgress", numbers, at)


def _flapping_signal(kind: str, meta: LabelledMetadata, at: datetime) -> Signal:
    minutes = FLAPPING_WINDOW.total_seconds() / 60
    return _signal(
        kind, meta, "Flapping", f"pods were missing for most of {minutes:g} min, and replaced repeatedly", at
    )


def _signal(kind: str, meta: LabelledMetadata, reason: str, message: str, at: datetime) -> Signal:
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
