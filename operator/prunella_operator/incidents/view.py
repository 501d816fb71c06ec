"""The lean reader of Incidents: the fields that sweeps, deduplication and workflow starts need.

A sweep may hold thousands of Incidents. What it does not need is never built: evidence, diffs and managed fields, which
are most of an object. `client.Incident` is the full reader.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self

from msgspec import ValidationError, convert, field
from msgspec.structs import asdict

from prunella_operator.kubernetes.decoding import WireStruct
from prunella_operator.kubernetes.times import parse_annotation_time
from prunella_operator.kubernetes.views.workloads import workload_key
from prunella_workflows.escalation.recovery_check import RECOVERED, TARGET_GONE
from prunella_workflows.model import labels as keys
from prunella_workflows.model.errors import InvalidIncident
from prunella_workflows.model.incident import IncidentRef
from prunella_workflows.model.incident_status import Attempt, Phase
from prunella_workflows.model.outcome import HOLDING
from prunella_workflows.model.workload import WorkloadRef

_ALL_CLEAR = frozenset({RECOVERED, TARGET_GONE})
_RESOLVED = frozenset({Phase.HEALED, Phase.RECOVERED})


class Labels(WireStruct, frozen=True):
    """Labels that are read here."""

    workload: str = field(name=keys.WORKLOAD, default="")
    source: str = field(name=keys.SOURCE, default="")
    keep: str = field(name=keys.KEEP, default="")


class Annotations(WireStruct, frozen=True):
    """Annotations that are read here. People write some of them: no value can be trusted to parse."""

    cancel: str = field(name=keys.CANCEL, default="")
    fault: str = field(name=keys.FAULT, default="")
    fault_at: str = field(name=keys.FAULT_AT, default="")
    detected_at: str = field(name=keys.DETECTED_AT, default="")
    recovered_at: str = field(name=keys.RECOVERED_AT, default="")
    traceparent: str = field(name=keys.TRACEPARENT, default="")
    opened_by_alert: str = field(name=keys.OPENED_BY_ALERT, default="")
    alert_resolved_at: str = field(name=keys.ALERT_RESOLVED_AT, default="")
    withdrawn_by_alert: str = field(name=keys.WITHDRAWN_BY_ALERT, default="")


class Metadata(WireStruct, frozen=True):
    """Identity, version and age."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    creation_timestamp: datetime
    labels: Labels = Labels()
    annotations: Annotations = Annotations()

    @property
    def preconditions(self) -> dict[str, str]:
        """The metadata of a write that must reach this version of this object, or fail with a Conflict."""
        return {"uid": self.uid, "resourceVersion": self.resource_version}


class Times(WireStruct, frozen=True):
    """Times of the status."""

    repaired_at: datetime | None = None
    closed_at: datetime | None = None


class EscalationNote(WireStruct, frozen=True):
    """The state of an escalation; `ended` is its reason, empty while people are still being notified."""

    ended: str = ""
    acknowledged_at: str = ""


class AttemptView(WireStruct, frozen=True):
    """A repair that was tried, without its diff."""

    number: int = 0
    action_id: str = ""
    action: str = ""
    target: str = ""
    started_at: datetime | None = None
    parameters: dict[str, str] = field(default_factory=dict)
    written_at: datetime | None = None
    finished_at: datetime | None = None
    verdict: str | None = None
    message: str = ""
    undone: bool = False
    incident: str = ""


class Status(WireStruct, frozen=True):
    """The status, without its story."""

    phase: Phase = Phase.PENDING
    reason: str = ""
    target: str = ""
    root_cause: str = ""
    action: str = ""
    times: Times = Times()
    caused_by: dict[str, Any] | None = None
    escalation: EscalationNote | None = None
    workflow: dict[str, Any] | None = None
    plan: str = ""
    aftermath: dict[str, Any] | None = None
    autonomy: dict[str, Any] | None = None
    attempts: tuple[AttemptView, ...] = ()

    @property
    def is_waiting(self) -> bool:
        """True while it waits as intended: for an approval, for a guard, or for the time that health must last."""
        match self.phase:
            case Phase.AWAITING_APPROVAL:
                return True
            case Phase.DIAGNOSING:  # a guard that waits, and a suspension, give their own reason
                return self.reason not in ("", Phase.DIAGNOSING)
            case Phase.VERIFYING:
                return self.reason == HOLDING
        return False

    @property
    def made_attempts(self) -> tuple[Attempt, ...]:
        """The attempts, without their diffs."""
        return tuple(Attempt.model_validate(asdict(attempt)) for attempt in self.attempts)


class IncidentHead(WireStruct, frozen=True):
    """An Incident without its spec, for sweeps that hold all of them."""

    metadata: Metadata
    status: Status = Status()

    @classmethod
    def from_object(cls, raw: Mapping[str, Any]) -> Self:
        """Read an object. Raises InvalidIncident if it was written past the CRD's validation."""
        try:
            return convert(raw, cls)
        except ValidationError as error:
            raise InvalidIncident(f"cannot read the incident: {error}") from error

    @property
    def ref(self) -> IncidentRef:
        """The reference that workflows carry."""
        meta = self.metadata
        return IncidentRef(namespace=meta.namespace, name=meta.name, uid=meta.uid)

    @property
    def closed(self) -> bool:
        """True once its workflow has closed it."""
        return self.status.phase.closed

    @property
    def escalating(self) -> bool:
        """True while people are still being notified."""
        note = self.status.escalation
        return note is not None and not note.ended

    @property
    def is_active(self) -> bool:
        """True while it is open, or people are still being notified."""
        return not self.closed or self.escalating

    @property
    def is_resolved(self) -> bool:
        """True if it was closed because its fault was gone: the next signal is another fault."""
        withdrawn = self.status.phase is Phase.CANCELLED and bool(self.metadata.annotations.withdrawn_by_alert)
        return withdrawn or self.status.phase in _RESOLVED

    @property
    def is_over(self) -> bool:
        """True if its fault is gone: at its end, when people got the all-clear, or seen later."""
        note = self.status.escalation
        all_clear = note is not None and note.ended in _ALL_CLEAR
        return self.is_resolved or all_clear or bool(self.metadata.annotations.recovered_at)

    @property
    def is_cancelled(self) -> bool:
        """True if someone requested its cancellation."""
        return self.metadata.annotations.cancel == "true"

    @property
    def alert_since(self) -> datetime | None:
        """The start of the alert that opened it, while that fires."""
        marks = self.metadata.annotations
        fires = marks.opened_by_alert and not marks.alert_resolved_at
        return parse_annotation_time(marks.fault_at) if fires else None

    def age(self, now: datetime) -> float:
        """Seconds since its creation."""
        return (now - self.metadata.creation_timestamp).total_seconds()


class IncidentView(IncidentHead, frozen=True):
    """An Incident with its spec, which is not validated here: see `model.incident.IncidentSpec`."""

    spec: dict[str, Any] = field(default_factory=dict)

    @property
    def requested_target(self) -> str:
        """The target that the spec names: `Deployment/web`, or `Pod/web-a`."""
        target = self.spec.get("target") or {"kind": "Pod", "name": self.spec.get("podName")}
        return f"{target['kind']}/{target['name']}"

    @property
    def detector(self) -> str:
        """The source that opened it; "" for a person, who can set the label but not what goes with it."""
        kind, _, name = self.requested_target.partition("/")
        meta, target = self.metadata, WorkloadRef(kind=kind, namespace=self.metadata.namespace, name=name)
        genuine = meta.annotations.fault and meta.labels.workload == workload_key(target)
        return meta.labels.source if genuine else ""
