"""Classifies alerts: the subject and the handling of an alert, as pure functions of its labels and the rules.

Label values are hostile input. They are compared with fixed names, matched against patterns of the policy, and used as
a Kubernetes name only if they are a valid one; nothing else.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

from prunella_workflows.model.alert import ORIGIN, Alert, Candidate, Classified
from prunella_workflows.model.alert_policy import AlertHandlingMode, AlertLabels, AlertPolicy, AlertRule
from prunella_workflows.model.incident import IncidentType, Severity
from prunella_workflows.model.telemetry_policy import TelemetryPolicy

CAUSE_LABEL = "prunella_cause"
KIND_LABELS = {
    "deployment": "Deployment",
    "statefulset": "StatefulSet",
    "daemonset": "DaemonSet",
    "cronjob": "CronJob",
    "job_name": "Job",
    "horizontalpodautoscaler": "HorizontalPodAutoscaler",
}
"""Labels that name a workload of one kind; the first that an alert has decides."""

CAUSES = {
    "pod_crash_loop": IncidentType.POD_CRASH_LOOP,
    "pod_oom_killed": IncidentType.OOM_KILLED,
    "bad_release": IncidentType.UNAVAILABLE,
    "high_cpu": IncidentType.HIGH_CPU,
    "high_memory": IncidentType.HIGH_MEMORY,
    "network_timeout": IncidentType.NETWORK_TIMEOUT,
}
"""Incident types by the value of the label `prunella_cause`. The diagnosis must still confirm the cause."""

DEFAULTS = AlertPolicy(rules=(), channels=(), ticket="", window=300.0, silence="WhileRepairing")
"""Defaults that any ClusterHealingPolicy overrides."""

_MAX_NAME_LENGTH = 128  # characters that are matched against patterns, so that matching stays fast
_SEVERITIES = {
    Severity.CRITICAL: ("critical", "page", "emergency", "fatal", "disaster"),
    Severity.HIGH: ("high", "error", "major"),
    Severity.MEDIUM: ("warning", "warn", "medium", "minor", "average"),
    Severity.LOW: ("info", "low", "none", "notice", "debug", "ok"),
}
_KINDS = {
    "deployment": ("Deployment",),
    "statefulset": ("StatefulSet",),
    "daemonset": ("DaemonSet",),
    "replicaset": ("ReplicaSet",),
    "job": ("Job",),
    "cronjob": ("CronJob",),
    "pod": ("Pod",),
    "barepod": ("Pod",),
}
_ANY_KIND = ("Deployment", "StatefulSet", "DaemonSet")
_LABEL_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")
_OBJECT_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\Z")


@dataclass(frozen=True)
class BuiltIn:
    """A built-in rule for an alert's name. Without `workload` the alert is never healed, whatever its labels."""

    type: IncidentType = IncidentType.OTHER
    workload: bool = True
    handling: AlertHandlingMode | None = None


_UNAVAILABLE = BuiltIn(IncidentType.UNAVAILABLE)
_NOTIFY_ONLY = BuiltIn(handling=AlertHandlingMode.NOTIFY)
_NO_WORKLOAD = BuiltIn(workload=False, handling=AlertHandlingMode.NOTIFY)
_RULES = (
    (BuiltIn(IncidentType.POD_CRASH_LOOP), "KubePodCrashLooping"),
    (BuiltIn(IncidentType.OOM_KILLED), "KubeContainerOOMKilled"),
    (BuiltIn(IncidentType.HIGH_CPU), "CPUThrottlingHigh KubeHpaMaxedOut ContainerHighCpuUtilization"),
    (BuiltIn(IncidentType.HIGH_MEMORY), "ContainerHighMemoryUsage"),
    (BuiltIn(), "KubeJobFailed KubeJobNotCompleted"),
    (_UNAVAILABLE, "KubePodNotReady KubeContainerWaiting KubeHpaReplicasMismatch KubeDaemonSetRolloutStuck"),
    (_UNAVAILABLE, "KubeDeploymentReplicasMismatch KubeDeploymentRolloutStuck KubeDeploymentGenerationMismatch"),
    (_UNAVAILABLE, "KubeStatefulSetReplicasMismatch KubeStatefulSetGenerationMismatch"),
    (_UNAVAILABLE, "KubeStatefulSetUpdateNotRolledOut"),
    (_NOTIFY_ONLY, "KubeDaemonSetNotScheduled KubeDaemonSetMisScheduled KubePdbNotEnoughHealthyPods"),
    (_NOTIFY_ONLY, "KubeQuotaAlmostFull KubeQuotaFullyUsed KubeQuotaExceeded KubePersistentVolumeFillingUp"),
    (_NO_WORKLOAD, "KubeNodeNotReady KubeNodeUnreachable KubeNodeReadinessFlapping KubeNodePressure KubeNodeEviction"),
    (_NO_WORKLOAD, "KubeletDown KubeletTooManyPods KubeAPIDown KubeAPIErrorBudgetBurn KubeControllerManagerDown"),
    (_NO_WORKLOAD, "KubeSchedulerDown KubeProxyDown KubeCPUOvercommit KubeMemoryOvercommit TargetDown"),
    (BuiltIn(workload=False, handling=AlertHandlingMode.RECORD), "Watchdog InfoInhibitor"),
    (_UNAVAILABLE, "TelemetryErrorRate TelemetryLatency"),
    (BuiltIn(), "TelemetrySaturation TelemetryLogs"),
    (_NOTIFY_ONLY, "TelemetryTraffic"),
)
BUILT_IN = {name: rule for rule, names in _RULES for name in names.split()}
"""The alerts of kube-prometheus, of the telemetry pipeline and a few common ones, by name."""


class NamedPolicy(NamedTuple):
    """The parts of a ClusterHealingPolicy that are about alerts."""

    name: str
    alerts: AlertPolicy
    telemetry: TelemetryPolicy = TelemetryPolicy()


def alert_namespace(alert: Alert, policy: AlertPolicy) -> str:
    """The namespace that an alert names, by the labels of this policy's rule for it; "" if it names none."""
    rule = _rule(alert, policy)
    value = alert.labels.get((rule.labels.namespace if rule else None) or "namespace", "")
    return value if _LABEL_NAME.match(value) else ""


def classify(alert: Alert, policies: tuple[NamedPolicy, ...]) -> Classified:
    """Classify an alert. The policies are in order: the last one with a rule for the alert wins."""
    known = BUILT_IN.get(alert.name)
    found = next(((policy.name, rule) for policy in reversed(policies) if (rule := _rule(alert, policy.alerts))), None)
    rule = found[1] if found else None
    merged = _merge(policies)
    notes: list[str] = []
    subject = _find_subject(alert, rule, known, notes)
    severity = (rule.severity if rule else None) or alert_severity(alert)
    handling = _limit(_handling(alert, rule, known, severity), alert, policies)
    if handling is AlertHandlingMode.HEAL and not subject.candidates:
        handling = AlertHandlingMode.NOTIFY
        notes.append("it names no workload, so nothing can be repaired")
    if handling is AlertHandlingMode.HEAL and alert.of_telemetry and not alert.annotations.get(ORIGIN):
        handling = AlertHandlingMode.NOTIFY
        notes.append("its origin is unknown, so nothing is repaired")
    return Classified(
        type=_type(alert, rule, known, notes),
        severity=severity,
        handling=handling,
        namespace=subject.namespace,
        candidates=subject.candidates,
        container=subject.container,
        channels=(rule.channels if rule else None) or merged.channels or (),
        ticket=merged.ticket or "",
        window=merged.window or 0.0,
        silence=merged.silence == "WhileRepairing",
        decided_by=_decided_by(found, known),
        notes=tuple(notes),
    )


def alert_severity(alert: Alert) -> Severity:
    """The severity by the label `severity`; Medium for unknown values."""
    value = alert.labels.get("severity", "").lower()
    return next((severity for severity, values in _SEVERITIES.items() if value in values), Severity.MEDIUM)


def _rule(alert: Alert, policy: AlertPolicy) -> AlertRule | None:
    name = alert.name[:_MAX_NAME_LENGTH]
    return next((rule for rule in policy.rules or () if re.fullmatch(rule.alertname, name)), None)


def _merge(policies: tuple[NamedPolicy, ...]) -> AlertPolicy:
    fields = {**DEFAULTS.model_dump()}
    for policy in policies:
        fields |= policy.alerts.model_dump(exclude_none=True)
    return AlertPolicy.model_validate(fields)


def _limit(handling: AlertHandlingMode, alert: Alert, policies: tuple[NamedPolicy, ...]) -> AlertHandlingMode:
    """For the pipeline's own alerts, no more than the last policy with a mode for telemetry permits."""
    mode = next((found for policy in reversed(policies) if (found := policy.telemetry.mode)), AlertHandlingMode.HEAL)
    order = (AlertHandlingMode.RECORD, AlertHandlingMode.NOTIFY, AlertHandlingMode.HEAL)
    return min(handling, mode, key=order.index) if alert.of_telemetry else handling


def _handling(alert: Alert, rule: AlertRule | None, known: BuiltIn | None, severity: Severity) -> AlertHandlingMode:
    """A rule decides. Without one, heal only critical alerts that a built-in rule or label says are about a workload:
    the usual labels of an unknown alert may describe the exporter, not the failing workload.
    """
    decided = (rule.handling if rule else None) or (known.handling if known else None)
    if decided is not None:
        return decided
    meant = rule is not None or known is not None or CAUSE_LABEL in alert.labels
    return AlertHandlingMode.HEAL if meant and severity is Severity.CRITICAL else AlertHandlingMode.NOTIFY


def _type(alert: Alert, rule: AlertRule | None, known: BuiltIn | None, notes: list[str]) -> IncidentType:
    cause = alert.labels.get(CAUSE_LABEL)
    if cause in CAUSES:
        return CAUSES[cause]
    if cause is not None:
        notes.append(f"the label {CAUSE_LABEL} names an unknown cause")
    return (rule.type if rule else None) or (known.type if known else IncidentType.OTHER)


class _Subject(NamedTuple):
    namespace: str = ""
    candidates: tuple[Candidate, ...] = ()
    container: str = ""


def _find_subject(alert: Alert, rule: AlertRule | None, known: BuiltIn | None, notes: list[str]) -> _Subject:
    """The workload that the labels name. The first matching label decides. An invalid name ends the search, because any
    remaining labels describe the exporter, not the workload.
    """
    if known is not None and not known.workload and rule is None:
        return _Subject()
    names = rule.labels if rule else AlertLabels()
    namespace = _valid_label(alert, names.namespace or "namespace", _LABEL_NAME, notes)
    if not namespace:
        return _Subject()
    container = _valid_label(alert, names.container or "container", _LABEL_NAME, notes)
    for label, kinds in _naming_labels(alert, names):
        if label in alert.labels:
            name = _valid_label(alert, label, _OBJECT_NAME, notes)
            found = tuple(Candidate(kind=kind, name=name) for kind in kinds if name)
            return _Subject(namespace, found, container)
    return _Subject(namespace)


def _naming_labels(alert: Alert, names: AlertLabels) -> list[tuple[str, tuple[str, ...]]]:
    """The labels that name a workload, each with the kinds it may mean; those chosen by a rule come first."""
    kind = alert.labels.get(names.workload_type or "workload_type", "").lower()
    own, pod = (names.workload or "workload", _KINDS.get(kind, _ANY_KIND)), (names.pod or "pod", ("Pod",))
    chosen = [pair for pair, name in ((own, names.workload), (pod, names.pod)) if name]
    return [*chosen, *((label, (kind,)) for label, kind in KIND_LABELS.items()), own, pod]


def _valid_label(alert: Alert, label: str, pattern: re.Pattern[str], notes: list[str]) -> str:
    value = alert.labels.get(label, "")
    if value and not pattern.match(value):
        notes.append(f"the label {label[:64]} is not a valid Kubernetes name and was ignored")
        return ""
    return value


def _decided_by(found: tuple[str, AlertRule] | None, known: BuiltIn | None) -> tuple[str, ...]:
    own = (f"ClusterHealingPolicy/{found[0]} rule {found[1].name}",) if found else ()
    return (*own, "built-in rule") if known else own or ("built-in default",)
