"""The alert: what Alertmanager said about one firing, as it was taken in, and what Prunella makes of it."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from prunella_workflows.model.alert_policy import AlertHandlingMode
from prunella_workflows.model.base import Value
from prunella_workflows.model.incident import IncidentType, Severity
from prunella_workflows.model.incident_status import EvidenceNote
from prunella_workflows.model.workload import WorkloadRef


class AlertStatus(StrEnum):
    """Whether the alert's expression holds."""

    FIRING = "firing"
    RESOLVED = "resolved"


class Alert(Value):
    """One alert as Alertmanager told it. Long texts are cut and secrets masked when it is taken in.

    `fingerprint` stands for the label set, `starts_at` for one firing of it. `whole` is False when a label was cut or
    masked: then the labels no longer match the alert in Alertmanager.
    """

    fingerprint: str
    status: AlertStatus
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    starts_at: datetime
    ends_at: datetime | None = None
    generator_url: str = ""
    whole: bool = True

    @property
    def name(self) -> str:
        """The name of the alerting rule."""
        return self.labels.get("alertname", "") or "(alert without a name)"


class Candidate(Value):
    """A workload that an alert's labels may mean. An empty kind means that the label named no kind."""

    kind: str
    name: str


class Classified(Value):
    """What an alert is about and how it is handled, by its labels and the rules.

    `candidates` are asked for in order; none means that the alert is about no workload. `decided_by` names the rules.
    """

    type: IncidentType
    severity: Severity
    handling: AlertHandlingMode
    namespace: str = ""
    candidates: tuple[Candidate, ...] = ()
    container: str = ""
    channels: tuple[str, ...] = ()
    ticket: str = ""
    window: float = 300.0
    silence: bool = True
    decided_by: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Enriched(Value):
    """An alert with what people need to know about it. `target` is the workload at the top of the owners, if any."""

    classified: Classified
    target: WorkloadRef | None = None
    facts: tuple[EvidenceNote, ...] = ()
    runbook: str = ""
    source: str = ""
    can_silence: bool = False
