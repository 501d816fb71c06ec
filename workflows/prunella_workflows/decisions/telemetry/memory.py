"""The memory of all detectors, and its form in JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from prunella_workflows.decisions.telemetry.graph import EdgeMemory
from prunella_workflows.decisions.telemetry.services import ServiceMemory
from prunella_workflows.model.telemetry import ServiceRef

_FORGOTTEN = 86400  # seconds without data, after which a service is unknown again
_GONE = 0.05  # decayed calls, below which an edge is forgotten


@dataclass(slots=True)
class Memory:
    """Services by name, and edges by caller and callee. `read_to` is the end of the last window that was judged."""

    read_to: int = 0
    services: dict[str, ServiceMemory] = field(default_factory=dict)
    edges: dict[tuple[str, str], EdgeMemory] = field(default_factory=dict)

    @classmethod
    def of(cls, states: Mapping[str, Any]) -> "Memory":
        """Read the states; what a later version added is ignored."""
        return cls(
            states.get("readTo", 0),
            {name: ServiceMemory.of(row) for name, row in states.get("services", {}).items()},
            {
                (caller, callee): EdgeMemory.of(row)
                for caller, rows in states.get("edges", {}).items()
                for callee, row in rows.items()
            },
        )

    def states(self) -> dict[str, Any]:
        """The inverse of `of`."""
        edges: dict[str, dict[str, list[Any]]] = {}
        for (caller, callee), memory in self.edges.items():
            edges.setdefault(caller, {})[callee] = memory.row()
        services = {name: memory.row() for name, memory in self.services.items()}
        return {"readTo": self.read_to, "services": services, "edges": edges}

    def service(self, ref: ServiceRef) -> ServiceMemory:
        """The memory of a service, a new one if it is unknown."""
        name = str(ref)
        found = self.services.get(name)
        if found is None:
            found = self.services[name] = ServiceMemory(ref)
        return found

    def forget(self, time: int) -> None:
        """Drop services without data for a day, and edges without calls for about ten hours."""
        for name in [
            name for name, each in self.services.items() if not each.reported and time - each.last > _FORGOTTEN
        ]:
            del self.services[name]
        for key in [key for key, each in self.edges.items() if each.normal.calls + each.recent.calls < _GONE]:
            del self.edges[key]
