"""Turns: which repairs are under way and were made of late, as the Incidents themselves tell it.

A repair takes its turn right before it writes: its incident asks, looks at all others, and goes on or waits. The
order is the API server's own: of two that ask, the one whose object was written first is ahead.
"""

from datetime import datetime

from prunella_workflows.model.base import Value


class RepairSlot(Value):
    """One incident (by its uid) that asks for its turn now, or has had some. `taken` are the moments of those.

    `version` is the API server's number of the object's last write: the smaller one was written earlier.
    """

    incident: str
    namespace: str
    name: str = ""
    workload: str
    version: int = 0
    asking: bool = False
    taken: tuple[datetime, ...] = ()


class RepairSlots(Value):
    """All turns that budgets count: of repairs under way or about to be (`running`), and those had of late (`recent`).

    `mine` is the uid of the incident that looks, `version` that of its own object when it asks. An incident that
    asks is counted by those that ask after it, and by nobody who only looks.
    """

    mine: str = ""
    version: int | None = None
    running: tuple[RepairSlot, ...] = ()
    recent: tuple[RepairSlot, ...] = ()

    @property
    def under_way(self) -> tuple[RepairSlot, ...]:
        """The repairs of others that are under way, and those that will be because they asked before us."""
        return tuple(
            one for one in self.running if one.incident != self.mine and (not one.asking or self._is_ahead(one))
        )

    @property
    def about_to_be(self) -> tuple[RepairSlot, ...]:
        """Those that asked before us and are not among the recent ones with the turn that they asked for."""
        seen = {one.incident: one.version for one in self.recent}
        asking = [one for one in self.running if one.asking and one.incident != self.mine and self._is_ahead(one)]
        return tuple(one for one in asking if seen.get(one.incident, one.version) <= one.version)

    def since(self, moment: datetime) -> tuple[RepairSlot, ...]:
        """One entry for each repair since then, our own earlier ones included, and for each that is about to be."""
        taken = [one for one in self.recent for at in one.taken if at > moment]
        return (*taken, *self.about_to_be)

    def _is_ahead(self, other: RepairSlot) -> bool:
        return self.version is not None and other.version < self.version
