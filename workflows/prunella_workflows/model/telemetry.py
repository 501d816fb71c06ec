"""Telemetry as decisions see it: the state of one workload by its own traces, metrics and logs, and its anomalies."""

from datetime import datetime
from enum import StrEnum

from prunella_workflows.model.base import Value
from prunella_workflows.model.redaction import redact

_MAX_NAME = 253  # characters, as in Kubernetes


class AnomalyKind(StrEnum):
    """The kinds of anomalies. The value is part of the alert's name: TelemetryErrorRate."""

    ERROR_RATE = "ErrorRate"
    LATENCY = "Latency"
    LOGS = "Logs"
    SATURATION = "Saturation"
    TRAFFIC = "Traffic"
    """Requests are missing: reported, never healed by itself."""


class SplitKind(StrEnum):
    """The part of a workload that is bad."""

    UNKNOWN = "Unknown"
    """Too little data to say."""
    NEW_PODS = "NewPods"
    """Only the pods of the latest template."""
    ONE_POD = "OnePod"
    ONE_NODE = "OneNode"
    ALL = "All"


def readable(name: str) -> str:
    """A name from telemetry as people may see it: cut, printable, and without secrets."""
    return redact("".join(sign if sign.isprintable() else "?" for sign in name[:_MAX_NAME]))


class Split(Value):
    """The part of a workload that is bad, and its name: a template hash, a pod or a node."""

    kind: SplitKind = SplitKind.UNKNOWN
    name: str = ""


class ServiceRef(Value):
    """A service in telemetry and the workload that its resource attributes name, if they do. Both can be forged."""

    service: str
    namespace: str = ""
    kind: str = ""
    workload: str = ""

    def is_same(self, other: "ServiceRef") -> bool:
        """Report whether both name the same workload, or the same service where neither names one."""
        one, two = ((ref.namespace, ref.kind, ref.workload) for ref in (self, other))
        return one == two and (bool(self.workload) or self.service == other.service)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.workload}" if self.workload else self.service


class Anomaly(Value):
    """One unusual stretch of one workload.

    `since` is the onset to 10 s, `until` the end once it is over. `ratio` is the observed value over the baseline's.
    `origin` is the service that causes it, itself included; None: unknown. `pod_uids` are the bad pods, as sent.
    """

    fingerprint: str
    kind: AnomalyKind
    subject: ServiceRef
    since: datetime
    until: datetime | None = None
    critical: bool = False
    requests: int = 0
    share: float = 0.0
    baseline: float = 0.0
    ratio: float = 0.0
    origin: ServiceRef | None = None
    split: Split = Split()
    edges: tuple[str, ...] = ()
    pod_uids: tuple[str, ...] = ()
    traces: tuple[str, ...] = ()
    dependants: tuple[str, ...] = ()
    """Other subjects whose anomalies have this subject as their origin."""
    detail: str = ""
    """The template of the logs, or the resource that is saturated."""

    @property
    def is_own(self) -> bool:
        """True if the subject is its own origin."""
        return self.origin is not None and self.origin.is_same(self.subject)


class TelemetryView(Value):
    """One workload by its telemetry, up to `read_to`, the time until which windows were judged.

    Shares are errors per request, p95 is in milliseconds; the baselines are those learnt before any open anomaly, None
    while the detector still learns. `requests` counts the last minute: 0 means that nothing can be said.
    """

    read_to: datetime
    requests: int = 0
    error_share: float = 0.0
    error_baseline: float | None = None
    p95_ms: float = 0.0
    p95_baseline_ms: float | None = None
    anomalies: tuple[Anomaly, ...] = ()
