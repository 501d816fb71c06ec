"""The Signal: one observation of a fault by a source."""

from datetime import datetime

from prunella_workflows.model.base import Value
from prunella_workflows.model.incident import IncidentType, Severity


class OwnerRef(Value):
    """An object that owns another one."""

    api_version: str
    kind: str
    name: str
    uid: str

    @property
    def group(self) -> str:
        """The API group; "" for the core group."""
        return self.api_version.rpartition("/")[0]

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


class Signal(Value):
    """One observation of a fault: its object, symptom and time.

    `kind`, `name` and `uid` identify the observed object (a Pod or a workload), `owner` its controller, if any.
    `fault_at` is the time of the fault by the kubelet's own record, `observed_at` the time at which we read it.
    """

    source: str
    type: IncidentType
    severity: Severity = Severity.HIGH
    namespace: str
    kind: str
    name: str
    uid: str
    owner: OwnerRef | None = None
    container: str = ""
    reason: str
    message: str = ""
    restarts: int = 0
    ignored: bool = False
    fault_at: datetime | None = None
    observed_at: datetime
