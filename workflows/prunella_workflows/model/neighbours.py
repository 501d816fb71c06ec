"""The surroundings of a workload: its dependencies, workloads that lack the same object, and the nodes of its pods."""

from datetime import datetime

from prunella_workflows.model.base import Value
from prunella_workflows.model.workload import WorkloadRef


class DependencyView(Value):
    """A workload that ours depends on, known by its annotation, by logs that name `service`, or by traces.

    `serving_since`: the time since when one of its pods has been ready; `failing`: what is wrong with them. `anomaly`:
    what its own telemetry shows, if that calls it the origin of its anomaly and so does ours.
    """

    ref: WorkloadRef
    known_by: str
    service: str = ""
    wanted: int = 1
    available: int = 0
    serving_since: datetime | None = None
    failing: str = ""
    anomaly: str = ""

    @property
    def mentioned(self) -> bool:
        """True if our pods' own logs mention it."""
        return bool(self.service)


class AffectedWorkload(Value):
    """Another workload (`Deployment/cart`) whose pods lack the same object (`Secret/token`)."""

    workload: str
    missing: str


class NodeView(Value):
    """The node of a pod that is not ready. `ready` is False when its kubelet has stopped reporting, or it is gone.

    `pressure`: the conditions by which it reports a shortage, such as MemoryPressure.
    """

    name: str
    ready: bool = True
    message: str = ""
    pressure: tuple[str, ...] = ()
