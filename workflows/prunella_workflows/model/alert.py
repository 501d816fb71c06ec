"""Alerts: one firing as received from Alertmanager, its classification, and its enrichment."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from prunella_workflows.model.alert_policy import AlertHandlingMode
from prunella_workflows.model.base import Value
from prunella_workflows.model.incident import IncidentType, Severity
from prunella_workflows.model.incident_status import EvidenceNote
from prunella_workflows.model.telemetry import AnomalyKind
from prunella_workflows.model.workload import WorkloadRef

TELEMETRY_ALERTS = frozenset(f"Telemetry{kind}" for kind in AnomalyKind)
"""The names of the alerts that the telemetry pipeline sends."""

ORIGIN, EDGES, ONSET, SPLIT, TRACES, PODS = "origin", "edges", "onset", "split", "traces", "pods"
"""Their annotations; the last two are ids and uids, separated by blanks."""


class AlertStatus(StrEnum):
    """The status of an alert, in the terms of Alertmanager."""

    FIRING = "firing"
    RESOLVED = "resolved"


class Alert(Value):
    """One alert from Alertmanager, with long texts cut and secrets masked: `whole` is False if that changed a label.

    `fingerprint` identifies the label set, `starts_at` one firing of it.
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

    @property
    def of_telemetry(self) -> bool:
        """True for an alert of the telemetry pipeline, of which Alertmanager knows nothing."""
        return self.name in TELEMETRY_ALERTS


class Candidate(Value):
    """A workload that an alert's labels may refer to. The kind is empty if the label does not say it."""

    kind: str
    name: str


class Classified(Value):
    """The subject of an alert (the first of its `candidates` that exists) and its handling, as `decided_by` rules."""

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
    """An alert with the facts that people need. `target` is the workload at the top of the owners, if any."""

    classified: Classified
    target: WorkloadRef | None = None
    facts: tuple[EvidenceNote, ...] = ()
    runbook: str = ""
    source: str = ""
    can_silence: bool = False
