"""The summary of an Incident that lists show: a fraction of the object, so that a console can hold thousands."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from msgspec import field

from prunella_operator.kubernetes.decoding import HeadMetadata, WireStruct
from prunella_workflows.model.aftermath import AftermathOutcome
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.model.outcome import SERVED_BY_EXISTING_PODS


class Described:
    """The words for an Incident, whichever of its fields were read."""

    __slots__ = ()

    if TYPE_CHECKING:
        metadata: Any
        spec: Any
        status: Any

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.metadata.name)

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return str(self.metadata.namespace)

    @property
    def phase(self) -> Phase:
        """Its phase."""
        phase: Phase = self.status.phase
        return phase

    @property
    def proven(self) -> bool:
        """False if it is healed, but only pods from before the repair serve."""
        return bool(self.status.reason != SERVED_BY_EXISTING_PODS)

    @property
    def phase_label(self) -> str:
        """The phase as people see it."""
        return self.phase.value if self.proven else f"{self.phase.value} (not proven)"

    @property
    def target(self) -> str:
        """The workload, or the pod while its workload is not known yet."""
        target = self.spec.target
        return self.status.target or (f"{target.kind}/{target.name}" if target else f"Pod/{self.spec.pod_name}")


class Metadata(HeadMetadata, frozen=True, kw_only=True):
    """Identity and age."""

    namespace: str
    name: str
    creation_timestamp: datetime


class Target(WireStruct, frozen=True):
    """The workload that the spec names."""

    kind: str = ""
    name: str = ""


class Spec(WireStruct, frozen=True):
    """The fields by which the spec names what is broken."""

    target: Target | None = None
    pod_name: str = ""


class Condition(WireStruct, frozen=True):
    """A condition without its words."""

    type: str
    status: str


class Times(WireStruct, frozen=True):
    """The times that statistics need."""

    fault_at: datetime | None = None
    detected_at: datetime | None = None
    started_at: datetime | None = None
    healed_at: datetime | None = None
    closed_at: datetime | None = None


class Aftermath(WireStruct, frozen=True):
    """The aftermath of an incident that was only observed, without its story."""

    outcome: AftermathOutcome
    changed_at: datetime | None = None


class Status(WireStruct, frozen=True):
    """The status without its story."""

    phase: Phase = Phase.PENDING
    reason: str = ""
    message: str = ""
    target: str = ""
    root_cause: str = ""
    action: str = ""
    healed_in: str = ""
    plan: str = ""
    aftermath: Aftermath | None = None
    conditions: tuple[Condition, ...] = ()
    times: Times = Times()


class IncidentSummary(Described, WireStruct, frozen=True):
    """An Incident as a list shows it."""

    metadata: Metadata
    spec: Spec = field(default_factory=Spec)
    status: Status = Status()
