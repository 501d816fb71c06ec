"""The aftermath of an observed incident: what became of its workload, to which Prunella did nothing."""

from datetime import datetime
from enum import StrEnum

from prunella_workflows.model.base import Value


class AftermathOutcome(StrEnum):
    """The outcome of an observed incident, compared with its plan."""

    SAME_CHANGE = "SameChange"
    SAME_CHANGE_FAILED = "SameChangeFailed"
    OTHER_CHANGE = "OtherChange"
    RECOVERED = "Recovered"
    PERSISTED = "Persisted"
    DELETED = "Deleted"
    NOT_KNOWN = "NotKnown"


class Aftermath(Value):
    """The events after the end of an incident that was only observed. Written once, when it is clear."""

    outcome: AftermathOutcome
    """SameChange: the planned change was made by others, and the workload was healthy after it. SameChangeFailed: it
    was made and did not help. OtherChange: another change, and healthy after it. Recovered: healthy without a change
    of the workload. Persisted: not healthy at the end of the time. Deleted: the workload is gone. NotKnown: the
    cluster does not show it."""
    message: str
    """The same as a sentence."""
    evidence: tuple[str, ...] = ()
    """The facts it rests on."""
    changed_at: datetime | None = None
    """Time of the change that was made (UTC)."""
    healthy_since: datetime | None = None
    """Time from which on the workload has been healthy (UTC)."""
    decided_at: datetime
    """Time at which this was found (UTC)."""
