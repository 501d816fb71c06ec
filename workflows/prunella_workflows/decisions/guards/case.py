"""The input of guards, a guard, and the block that a check returns."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from prunella_workflows.decisions.diagnosis.external_cause import ExternalCause
from prunella_workflows.decisions.diagnosis.startup import RunningInit
from prunella_workflows.decisions.diagnosis.symptoms import select_healthy
from prunella_workflows.model.autonomy import AutonomyNote
from prunella_workflows.model.base import Value
from prunella_workflows.model.evidence import IncidentSummary
from prunella_workflows.model.incident import Approval
from prunella_workflows.model.labels import AFTER, LAST_ACTION_AT
from prunella_workflows.model.outcome import Cause, Effect, GuardResult
from prunella_workflows.model.plan import Action
from prunella_workflows.model.policy import EffectivePolicy
from prunella_workflows.model.repair_slot import RepairSlot, RepairSlots
from prunella_workflows.model.scaling import Scaling
from prunella_workflows.model.workload import PodView, WorkloadView


class GuardCase(Value):
    """Everything that guards check. `pending` is the kubelet's report that the diagnosis still waits for, if any.

    `continues`: the earlier incidents whose ladder this one goes on with. `undoes`: the action is an undo of theirs.
    `unjudged_since`: the time of a repair by a lost run of this workflow, if it has no verdict. `autonomy`: the level
    that the action has earned, where it must be earned. `tried`: this incident, or one that it continues, has repaired.
    """

    now: datetime
    incident: str = ""
    workload: WorkloadView
    pods: tuple[PodView, ...] = ()
    scaling: Scaling = Scaling()
    namespace_labels: dict[str, str]
    protected_namespaces: tuple[str, ...] = ()
    policy: EffectivePolicy
    cause: Cause = Cause.UNKNOWN
    action: Action | None = None
    severity: str = ""
    approval: Approval | None = None
    incidents: tuple[IncidentSummary, ...] = ()
    slots: RepairSlots = RepairSlots()
    opened_at: datetime | None = None
    release_since: datetime | None = None
    healthy_percent: float | None = None
    external_cause: ExternalCause | None = None
    waiting_since: datetime | None = None
    pending: str = ""
    running_init: RunningInit | None = None
    continues: tuple[str, ...] = ()
    undoes: bool = False
    unjudged_since: datetime | None = None
    autonomy: AutonomyNote | None = None
    tried: bool = False

    @property
    def other_incidents(self) -> list[IncidentSummary]:
        """All incidents but this one."""
        own = (self.incident, self.workload.ref.namespace)
        return [incident for incident in self.incidents if (incident.name, incident.namespace) != own]

    @property
    def healthy_pods(self) -> tuple[PodView, ...]:
        """The pods that serve now."""
        return select_healthy(self.pods, self.now)

    @property
    def failing_pods(self) -> tuple[str, ...]:
        """The names of the live pods of the current revision that do not serve."""
        healthy = {pod.name for pod in self.healthy_pods}
        current = (pod for pod in self.pods if pod.live and pod.revision == self.workload.revision)
        return tuple(pod.name for pod in current if pod.name not in healthy)

    @property
    def last_action_at(self) -> datetime | None:
        """The time of our last action. Unreadable times are ignored: annotations are copied and edited."""
        try:
            at = datetime.fromisoformat(self.workload.annotations.get(LAST_ACTION_AT, ""))
        except ValueError:
            return None
        return at if at.tzinfo is not None else None

    @property
    def is_released_since_repair(self) -> bool:
        """Report whether someone else changed the template after our last action: what fails now is their release.

        The API server cuts times of creation to seconds: a release in the second of our action came after it, because
        what we act on is older.
        """
        left, at = self.workload.annotations.get(AFTER), self.last_action_at
        if left in (None, self.workload.template_hash) or at is None:
            return False
        return self.release_since is None or self.release_since >= at.replace(microsecond=0)

    def is_same_workload(self, other: IncidentSummary | RepairSlot) -> bool:
        """Report whether another incident is about the same workload."""
        ref = self.workload.ref
        return (other.namespace, other.workload) == (ref.namespace, str(ref))


class Block(NamedTuple):
    """The reason for which a guard blocks a repair, and the next step for a person."""

    effect: Effect
    reason: str
    message: str
    next_step: str = ""


@dataclass(frozen=True)
class Guard:
    """One guard: the name that status and metrics show, and its check, which returns None where nothing is wrong.

    `at_write`: evaluated again right before each write. `in_slot`: evaluated once more while the repair slot is held,
    so that the limit holds however many repairs start at once.
    """

    name: str
    check: Callable[[GuardCase], Block | None]
    at_write: bool = True
    in_slot: bool = False

    def evaluate(self, case: GuardCase) -> GuardResult:
        """The check's result in the form that is recorded."""
        block = self.check(case)
        return GuardResult(name=self.name, **block._asdict()) if block is not None else GuardResult(name=self.name)
