"""The incidents of `aiops.py`: what was seen of each, and when."""

import time
from collections import defaultdict
from dataclasses import dataclass, field

from aiops_judge import Ended
from support.api import Object

from prunella_workflows.model.incident_status import Phase


@dataclass(frozen=True)
class SeenIncident:
    """One incident. Times are monotonic seconds; `closed` is None while it is open."""

    ended: Ended
    first: float
    closed: float | None


@dataclass
class Incidents:
    """All incidents, by service and uid. One that is deleted stays: what it was is judged."""

    seen: dict[str, dict[str, SeenIncident]] = field(default_factory=lambda: defaultdict(dict))

    def on_upsert(self, incident: Object) -> None:
        """Remember its state, when it was first seen, and when it was first seen closed."""
        own = self.seen[(incident["spec"].get("target") or {}).get("name", "")]
        uid, now, status = incident["metadata"]["uid"], time.monotonic(), incident.get("status") or {}
        before = own.get(uid)
        phase = Phase(status.get("phase") or Phase.PENDING)
        closed = None if not phase.closed else before.closed if before and before.closed else now
        ended = Ended(str(phase), status.get("reason", ""), status.get("rootCause", ""))
        own[uid] = SeenIncident(ended, before.first if before else now, closed)

    def on_delete(self, uid: str) -> None:
        """Keep it."""

    def of(self, app: str) -> list[SeenIncident]:
        """All incidents of a service."""
        return list(self.seen[app].values())

    def settled(self, app: str) -> bool:
        """Check that none is open."""
        return all(incident.closed is not None for incident in self.of(app))
