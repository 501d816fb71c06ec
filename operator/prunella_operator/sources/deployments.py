"""`DeploymentSource`: sees rollouts that do not come to an end, and those that do.

A rollout past its deadline becomes a Signal; one that completed is told to `on_settled`, from which the known-good
revisions are recorded. It only reports, and keeps two numbers per Deployment.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, NoReturn

from prunella_operator.cluster.access import Access
from prunella_operator.cluster.wire import Metadata, Wire
from prunella_operator.sources.resource import Pace, Resource, Scope, WatchStats
from prunella_operator.sources.watch import Watch
from prunella_workflows.model.incident import IncidentType
from prunella_workflows.model.signal import Signal

DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
_LONGEST_MESSAGE = 300

OnSettled = Callable[[str, str, str, int], None]  # namespace, name, uid, generation


class Condition(Wire, frozen=True):
    """A condition of a Deployment."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: datetime | None = None


class DeploymentSpec(Wire, frozen=True):
    """The part of the wish that tells whether it is fulfilled."""

    replicas: int = 1
    paused: bool = False


class DeploymentStatus(Wire, frozen=True):
    """How far the rollout is."""

    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0
    available_replicas: int = 0
    conditions: tuple[Condition, ...] | None = None


class Deployment(Wire, frozen=True):
    """A Deployment as the sensor sees it."""

    metadata: Metadata
    spec: DeploymentSpec = DeploymentSpec()
    status: DeploymentStatus = DeploymentStatus()

    @property
    def settled(self) -> bool:
        """Whether what is wished for runs, all of it and nothing else."""
        status, wanted = self.status, self.spec.replicas
        observed = status.observed_generation >= self.metadata.generation and self.metadata.deletion_timestamp is None
        counts = {status.updated_replicas, status.available_replicas, status.replicas}
        return observed and wanted > 0 and counts == {wanted}

    @property
    def overdue(self) -> Condition | None:
        """The condition that says the rollout is past its deadline, if it is."""
        if self.metadata.deletion_timestamp or self.spec.paused:
            return None
        late = (c for c in self.status.conditions or () if c.type == "Progressing" and c.status == "False")
        return next((condition for condition in late if condition.reason == DEADLINE_EXCEEDED), None)


class Memory(NamedTuple):
    """The generations that were reported; 0 for none."""

    settled: int = 0
    overdue: int = 0


DEPLOYMENTS = Resource("/apis/apps/v1", "deployments", Deployment)


@dataclass(slots=True)
class DeploymentSource:
    """The watch on Deployments. Both callbacks are called in the event loop: they must be quick."""

    access: Access
    emit: Callable[[Signal], None]
    on_settled: OnSettled
    scope: Scope = field(default_factory=Scope)
    pace: Pace = field(default_factory=Pace)
    stats: WatchStats = field(default_factory=WatchStats)
    _memory: dict[str, Memory] = field(default_factory=dict)

    async def run(self) -> NoReturn:
        """Watch until cancelled."""
        await Watch(self.access, DEPLOYMENTS, self, self.scope, self.pace, self.stats).run()

    def seen(self, obj: Deployment, at: datetime) -> None:
        """Report what is new about the rollout; remembered only then."""
        meta, before = obj.metadata, self._memory.get(obj.metadata.uid, Memory())
        settled = meta.generation if obj.settled else 0
        if settled and settled != before.settled:
            self.on_settled(meta.namespace, meta.name, meta.uid, settled)
        # The condition speaks of the generation that the controller has seen, which may not be the latest.
        overdue = obj.status.observed_generation if obj.overdue else before.overdue
        if obj.overdue and overdue != before.overdue:
            self.emit(_signal(obj, obj.overdue, at))
        self._memory[meta.uid] = Memory(settled, overdue)

    def gone(self, uid: str, _at: datetime) -> None:
        """Forget the Deployment."""
        self._memory.pop(uid, None)


def _signal(deployment: Deployment, overdue: Condition, at: datetime) -> Signal:
    meta = deployment.metadata
    return Signal(
        source="deployments",
        type=IncidentType.UNAVAILABLE,
        namespace=meta.namespace,
        kind="Deployment",
        name=meta.name,
        uid=meta.uid,
        reason=DEADLINE_EXCEEDED,
        message=overdue.message[:_LONGEST_MESSAGE],
        ignored=meta.ignored,
        fault_at=overdue.last_transition_time,
        observed_at=at,
    )
