"""An Incident as it is held while the open ones are looked after.

A round holds all of them, and there may be thousands. So what is not needed is never built: evidence, diffs, and who
manages which field, which make most of the object.
"""

from datetime import datetime
from typing import Any

from msgspec import field, to_builtins

from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.decoding import WireStruct
from prunella_workflows.model import labels
from prunella_workflows.model.incident_status import Phase


class Annotations(WireStruct, frozen=True, omit_defaults=True):
    """Those that count here."""

    detected_at: str | None = field(name=labels.DETECTED_AT, default=None)
    fault_at: str | None = field(name=labels.FAULT_AT, default=None)
    traceparent: str | None = field(name=labels.TRACEPARENT, default=None)
    cancel: str | None = field(name=labels.CANCEL, default=None)


class Metadata(WireStruct, frozen=True):
    """Which Incident it is."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    creation_timestamp: str
    annotations: Annotations | None = None


class Status(WireStruct, frozen=True):
    """How it stands."""

    phase: str | None = None
    reason: str | None = None
    workflow: dict[str, Any] | None = None
    escalation: dict[str, Any] | None = None


class OpenIncident(WireStruct, frozen=True):
    """One Incident, as far as it counts here."""

    metadata: Metadata
    spec: dict[str, Any] | None = None
    status: Status | None = None

    @property
    def phase(self) -> Phase:
        """Where it stands; one without a status is Pending."""
        return Phase((self.status and self.status.phase) or Phase.PENDING)

    @property
    def is_active(self) -> bool:
        """Whether it is open, or people are still being told of it."""
        note = self.status.escalation if self.status else None
        return not self.phase.closed or bool(note and not note.get("ended"))

    def age(self, now: datetime) -> float:
        """Seconds since it was made."""
        return (now - datetime.fromisoformat(self.metadata.creation_timestamp)).total_seconds()

    def built(self) -> Object:
        """As everybody else reads it, without what is left out."""
        built: Object = to_builtins(self)
        return built
