"""The Incident: the durable record of one fault of one workload, as `crds/incidents.yaml` defines it."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from prunella_workflows.model.base import Value


class IncidentType(StrEnum):
    """What was seen, in the words of the one who saw it. Not yet a root cause."""

    POD_CRASH_LOOP = "PodCrashLoop"
    OOM_KILLED = "OOMKilled"
    HIGH_CPU = "HighCPU"
    HIGH_MEMORY = "HighMemory"
    NETWORK_TIMEOUT = "NetworkTimeout"
    IMAGE_PULL_FAILURE = "ImagePullFailure"
    CONFIG_ERROR = "ConfigError"
    PROBE_FAILURE = "ProbeFailure"
    UNAVAILABLE = "Unavailable"
    OTHER = "Other"


class Severity(StrEnum):
    """How urgent the fault is for people."""

    CRITICAL = "Critical"
    HIGH = "High"
    MEDIUM = "Medium"
    LOW = "Low"


class Mode(StrEnum):
    """Heal, or only show what would be done."""

    HEAL = "Heal"
    DRY_RUN = "DryRun"


class TargetRef(Value):
    """The workload that is in trouble, in the incident's own namespace."""

    api_version: str = "apps/v1"
    kind: str
    name: str


class Decision(StrEnum):
    """Whether a repair may be made."""

    APPROVED = "Approved"
    REJECTED = "Rejected"


class Approval(Value):
    """A person's answer to the question whether a repair may be made.

    The admission policy sees to it that `by` is the name of the one who answered, and that he is in all `groups`.
    """

    decision: Decision
    by: str = ""
    groups: tuple[str, ...] = ()
    reason: str = ""

    def is_by_one_of(self, approvers: tuple[str, ...]) -> bool:
        """Whether the one who answered is named: as NAME or user:NAME, or by a group:NAME. No names: everybody is."""
        names = {self.by, f"user:{self.by}", *(f"group:{group}" for group in self.groups)} if self.by else set()
        return not approvers or not names.isdisjoint(approvers)


class Acknowledgement(Value):
    """A person takes over an incident that was handed over: no further level is told."""

    by: str
    at: datetime | None = None


class IncidentSpec(Value):
    """The wish: which workload, what was seen, and how far Prunella may go."""

    target: TargetRef | None = None
    pod_name: str | None = None
    container_name: str | None = None
    type: IncidentType
    severity: Severity = Severity.HIGH
    description: str = ""
    metrics: dict[str, str] = Field(default_factory=dict)
    mode: Mode = Mode.HEAL
    approval: Approval | None = None
    suspend: bool = False
    acknowledged: Acknowledgement | None = None


class IncidentRef(Value):
    """Which Incident object is meant; the uid tells it from a namesake that was deleted."""

    namespace: str
    name: str
    uid: str
