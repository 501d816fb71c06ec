"""What surrounds a workload: what it depends on, who else lacks the same thing, and the nodes of its pods."""

from datetime import datetime

from prunella_workflows.model.base import Value
from prunella_workflows.model.workload import WorkloadRef


class DependencyView(Value):
    """A workload of the same namespace that ours needs, and how it is now.

    `known_by` says how that is known: by the annotation, or by the words of our failing pods, which name the Service
    `service`. `serving_since` is since when one of its pods has been ready, `failing` what is wrong with them.
    """

    ref: WorkloadRef
    known_by: str
    service: str = ""
    wanted: int = 1
    available: int = 0
    serving_since: datetime | None = None
    failing: str = ""

    @property
    def spoken_of(self) -> bool:
        """Whether our pods' own words name it."""
        return bool(self.service)


class AffectedWorkload(Value):
    """Another workload (`Deployment/cart`) whose pods lack the same object (`Secret/token`)."""

    workload: str
    missing: str


class NodeView(Value):
    """The node of a pod that is not ready. `ready` is False when the kubelet has not been heard of, or it is gone."""

    name: str
    ready: bool = True
    message: str = ""
