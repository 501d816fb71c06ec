"""The Signal: one observation of trouble from a source."""

from datetime import datetime

from prunella_workflows.model.base import Value
from prunella_workflows.model.incident import IncidentType, Severity


class OwnerRef(Value):
    """The controller that owns an object."""

    api_version: str
    kind: str
    name: str
    uid: str


class Signal(Value):
    """One observation of trouble: which object shows it, what it shows, and when.

    `kind`, `name` and `uid` name the object that was seen (a Pod or a workload) and `owner` its controller, if any.
    `fault_at` is the moment the fault happened by the kubelet's own record, `observed_at` the moment we read of it.
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
