"""What a guard looks at and what it answers."""

from collections.abc import Callable
from datetime import datetime

from prunella_workflows.decisions.diagnosis.external_cause import ExternalCause
from prunella_workflows.model.base import Value
from prunella_workflows.model.evidence import IncidentSummary
from prunella_workflows.model.incident import Approval
from prunella_workflows.model.outcome import Cause, Effect, GuardResult
from prunella_workflows.model.plan import Action
from prunella_workflows.model.policy import EffectivePolicy
from prunella_workflows.model.repair_slot import RepairSlot, RepairSlots
from prunella_workflows.model.scaling import Scaling
from prunella_workflows.model.workload import WorkloadView


class GuardCase(Value):
    """Everything a guard may look at."""

    now: datetime
    incident: str = ""
    workload: WorkloadView
    scaling: Scaling = Scaling()
    namespace_labels: dict[str, str]
    protected_namespaces: tuple[str, ...] = ()
    policy: EffectivePolicy
    cause: Cause = Cause.UNKNOWN
    action: Action | None = None
    severity: str = ""
    answer: Approval | None = None
    incidents: tuple[IncidentSummary, ...] = ()
    turns: RepairSlots = RepairSlots()
    opened_at: datetime | None = None
    release_since: datetime | None = None
    healthy_percent: float | None = None
    culprit: ExternalCause | None = None
    waiting_since: datetime | None = None
    unheard: str = ""


Guard = Callable[[GuardCase], GuardResult]


def others(case: GuardCase) -> list[IncidentSummary]:
    """The incidents but this one."""
    return [
        incident
        for incident in case.incidents
        if incident.name != case.incident or incident.namespace != case.workload.ref.namespace
    ]


def same_workload(case: GuardCase, other: IncidentSummary | RepairSlot) -> bool:
    """Whether another incident is about the same workload."""
    return other.namespace == case.workload.ref.namespace and other.workload == str(case.workload.ref)


def passed(name: str) -> GuardResult:
    """The guard has nothing against it."""
    return GuardResult(name=name)


def hold(name: str, effect: Effect, reason: str, message: str, next_step: str = "") -> GuardResult:
    """The guard holds the repair back."""
    return GuardResult(name=name, effect=effect, reason=reason, message=message, next_step=next_step)
