"""The Incident: the durable record of one fault of one workload. `crds/incidents.yaml` is generated from it."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from prunella_workflows.model.base import Value


class IncidentType(StrEnum):
    """The observed fault, as reported. Not yet a root cause."""

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
    """Urgency of the fault."""

    CRITICAL = "Critical"
    HIGH = "High"
    MEDIUM = "Medium"
    LOW = "Low"


class Mode(StrEnum):
    """Heal, or only show the plan."""

    HEAL = "Heal"
    DRY_RUN = "DryRun"


class TargetRef(Value):
    """The failing workload, in the Incident's namespace."""

    api_version: str = "apps/v1"
    """API version of the workload: apps/v1, batch/v1 for Job and CronJob, v1 for Pod."""
    kind: str
    """Kind of the workload. Prunella repairs Deployments, StatefulSets and DaemonSets; faults of the other kinds are
    diagnosed and reported, never repaired."""
    name: str
    """Name of the workload."""


class Decision(StrEnum):
    """A person's decision on a repair."""

    APPROVED = "Approved"
    REJECTED = "Rejected"


class Approval(Value):
    """A person's decision on a repair. The admission policy ensures that `by` and `groups` are the requester's own."""

    decision: Decision
    """Approved lets the repair proceed; Rejected escalates the incident."""
    by: str = ""
    """The user who decided."""
    groups: tuple[str, ...] = ()
    """Groups of that user in the API server; only those named in the policy's approval.approvers are needed."""
    reason: str = ""
    """Reason for the decision, for later readers."""

    def is_by_one_of(self, approvers: tuple[str, ...]) -> bool:
        """Report whether the user is an approver: NAME, user:NAME, or through group:NAME. No approvers: everyone is."""
        names = {self.by, f"user:{self.by}", *(f"group:{group}" for group in self.groups)} if self.by else set()
        return not approvers or not names.isdisjoint(approvers)


class Acknowledgement(Value):
    """A person takes over an escalated incident: no further level is notified."""

    by: str
    """The user who takes over."""
    at: datetime | None = None
    """Time of the acknowledgement; defaults to when Prunella receives it."""


class IncidentSpec(Value):
    """The request: the workload, the observed fault, and how far Prunella may go."""

    target: TargetRef | None = None
    """The failing workload, in the Incident's namespace. Set exactly one of target and podName."""
    pod_name: str | None = None
    """The failing pod; Prunella resolves the workload that owns it. Set exactly one of target and podName."""
    container_name: str | None = None
    """The failing container, with either target or podName. Without it Prunella examines all containers of the pod."""
    type: IncidentType
    """The observed fault, as reported. Not a root cause: Prunella diagnoses that itself."""
    severity: Severity = Severity.HIGH
    """Urgency of the fault. Policies may require approval by severity."""
    description: str = ""
    """Free text for people, at most 4096 characters. Prunella shows it and never acts on it."""
    metrics: dict[str, str] = Field(default_factory=dict)
    """Measured values that go with what was seen, by name, as strings."""
    mode: Mode = Mode.HEAL
    """Heal repairs within the policies; DryRun writes nothing, and shows the plan and its exact diff in the status."""
    approval: Approval | None = None
    """A person's decision when a policy requires one (phase AwaitingApproval). `prunella incidents approve` and
    `reject` set it. A decision is final, but another person may submit their own: the first one by a person named
    in the policy's approval.approvers counts."""
    suspend: bool = False
    """True stops Prunella before its next step; false resumes it. A step already begun is finished and verified."""
    acknowledged: Acknowledgement | None = None
    """A person takes over an escalated incident: no further level is notified. Cannot be changed to another person."""


class IncidentRef(Value):
    """A reference to an Incident object; the uid distinguishes it from a deleted one of the same name."""

    namespace: str
    name: str
    uid: str
