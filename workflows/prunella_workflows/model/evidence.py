"""Evidence: everything that was read to diagnose one incident. Workflows never see it but as a packed record."""

from datetime import datetime, timedelta

from pydantic import Field

from prunella_workflows.model.autonomy import Trial
from prunella_workflows.model.base import Value
from prunella_workflows.model.incident import IncidentSpec
from prunella_workflows.model.incident_status import Attempt, CausedBy, Phase
from prunella_workflows.model.neighbours import AffectedWorkload, DependencyView, NodeView
from prunella_workflows.model.scaling import Scaling
from prunella_workflows.model.telemetry import TelemetryView
from prunella_workflows.model.workload import PodView, RevisionView, WorkloadView

_PROGRESS_DEADLINE = timedelta(minutes=10)


class MemoryBounds(Value):
    """The bounds on memory, in bytes; None: not set. `container_max` and `ratio_max` come from LimitRanges.

    `node_max`: the largest node's allocatable memory; `resize_offered`: the API server can resize running pods.
    """

    quota_limits_free: int | None = None
    quota_requests_free: int | None = None
    container_max: int | None = None
    ratio_max: float | None = None
    node_max: int | None = None
    resize_offered: bool = False


class ContainerUsage(Value):
    """The usage of one container of one pod: CPU in cores, memory (working set) in bytes; None: not measured.

    `oom_kills`: how many processes were killed for want of memory in its latest runs, as cAdvisor counts them.
    """

    pod: str
    container: str
    cpu_cores: float | None = None
    memory_bytes: int | None = None
    oom_kills: int = 0


class Usage(Value):
    """The usage of a workload's containers, with its source and time. Containers that were not measured are absent."""

    source: str
    at: datetime
    containers: tuple[ContainerUsage, ...] = ()


class LogTail(Value):
    """The last lines of a container's previous run, redacted."""

    pod: str
    container: str
    lines: tuple[str, ...] = ()


class EventView(Value):
    """An Event about the workload or one of its pods."""

    about: str
    reason: str
    message: str = ""
    count: int = 1
    at: datetime | None = None


class IncidentSummary(Value):
    """An incident, as budgets, cooldowns, correlation and relapses need it. `source`: the detector; "" for a person.

    `alert_since`: the start of the alert that opened it, while that fires. `attempts`: only of one that ended well.
    `workload_uid`, `failures`: the workload and its failed trials, where autonomy must be earned.
    """

    name: str
    namespace: str
    workload: str
    phase: Phase
    opened_at: datetime | None = None
    repaired_at: datetime | None = None
    closed_at: datetime | None = None
    caused_by: CausedBy | None = None
    source: str = ""
    alert_since: datetime | None = None
    type: str = ""
    container: str = ""
    reason: str = ""
    root_cause: str = ""
    attempts: tuple[Attempt, ...] = ()
    workload_uid: str = ""
    failures: tuple[Trial, ...] = ()


class Evidence(Value):
    """The facts about one workload at one moment. `usage_note`: why `usage` is missing where it is needed.

    `memory_growing`: the killed containers whose memory grew steadily up to the limit in each lifetime of the last
    hour; `memory_low`: those whose memory stayed far below it. `soak`: seconds for which a template must run well to be
    recorded as good. `since`: the time from which crashes count, if later than the opening. `raised_from`: the template
    hash of the same release before our raise of its memory, which did not last. `telemetry`: None where it is not
    configured or cannot be read.
    """

    read_at: datetime
    incident: IncidentSpec
    opened_at: datetime
    workload: WorkloadView
    pods: tuple[PodView, ...] = ()
    revisions: tuple[RevisionView, ...] = ()
    bounds: MemoryBounds = MemoryBounds()
    scaling: Scaling = Scaling()
    usage: Usage | None = None
    usage_note: str = ""
    memory_growing: tuple[str, ...] = ()
    memory_low: tuple[str, ...] = ()
    logs: tuple[LogTail, ...] = ()
    events: tuple[EventView, ...] = ()
    namespace_labels: dict[str, str] = Field(default_factory=dict)
    incidents: tuple[IncidentSummary, ...] = ()
    incident_name: str = ""
    since: datetime | None = None
    dependencies: tuple[DependencyView, ...] = ()
    affected_workloads: tuple[AffectedWorkload, ...] = ()
    nodes: tuple[NodeView, ...] = ()
    soak: float = 0.0
    raised_from: str = ""
    telemetry: TelemetryView | None = None

    @property
    def detected(self) -> bool:
        """Report whether Prunella detected the fault itself, rather than a person who reported it."""
        return any(incident.source for incident in self.incidents if incident.name == self.incident_name)

    @property
    def alert_since(self) -> datetime | None:
        """The start of the alert that opened this incident, while that fires."""
        own = (incident for incident in self.incidents if incident.name == self.incident_name)
        return next((incident.alert_since for incident in own if incident.source), None)

    @property
    def past_deadline(self) -> bool:
        """Report whether the rollout is past its deadline. Kinds without one get the default of Deployments."""
        if self.workload.ref.kind == "Deployment":
            return self.workload.progress_deadline_exceeded
        starting = [pod for pod in self.current_pods if not pod.ready and pod.unready_since is None]
        started = [pod.created_at for pod in starting if pod.created_at is not None]
        return any(self.read_at - at > _PROGRESS_DEADLINE for at in started)

    @property
    def live_pods(self) -> tuple[PodView, ...]:
        """The pods that count: one that is being deleted or was evicted only looks like a crash."""
        return tuple(pod for pod in self.pods if pod.live)

    @property
    def current_pods(self) -> tuple[PodView, ...]:
        """The live pods of the current revision."""
        return tuple(pod for pod in self.live_pods if pod.revision == self.workload.revision)
