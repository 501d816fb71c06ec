"""Repair slots: the repairs that are running and those made recently, as recorded on the Incidents themselves.

A repair acquires its slot right before it writes: its incident requests one, reads all others, and proceeds or waits.
The API server defines the order: of two requests, the one whose object was written first is ahead.
"""

from datetime import datetime

from prunella_workflows.model.base import Value


class RepairSlot(Value):
    """The slots of one incident (a uid). `version`: its object's resourceVersion; the smaller was written earlier."""

    incident: str
    namespace: str
    name: str = ""
    workload: str
    version: int = 0
    requested: bool = False
    acquired_at: tuple[datetime, ...] = ()


class RepairSlots(Value):
    """Repair slots that count toward budgets: `running` (held or requested) and `recent` (used in the last hour).

    `own_version` is our incident's resourceVersion when it requested a slot; only later requests count ours.
    """

    own_uid: str = ""
    own_version: int | None = None
    running: tuple[RepairSlot, ...] = ()
    recent: tuple[RepairSlot, ...] = ()

    @property
    def in_progress(self) -> tuple[RepairSlot, ...]:
        """Slots that others hold, or requested before us."""
        others = (slot for slot in self.running if slot.incident != self.own_uid)
        return tuple(slot for slot in others if not slot.requested or self._is_ahead(slot))

    @property
    def pending(self) -> tuple[RepairSlot, ...]:
        """Earlier requests whose slot is not yet recorded in `recent`."""
        recorded = {slot.incident: slot.version for slot in self.recent}
        requests = [slot for slot in self.in_progress if slot.requested]
        return tuple(slot for slot in requests if recorded.get(slot.incident, slot.version) <= slot.version)

    def since(self, moment: datetime) -> tuple[RepairSlot, ...]:
        """One entry for each slot acquired after `moment`, our own included, and for each pending request."""
        return (*(slot for slot in self.recent for at in slot.acquired_at if at > moment), *self.pending)

    def _is_ahead(self, other: RepairSlot) -> bool:
        return self.own_version is not None and other.version < self.own_version
