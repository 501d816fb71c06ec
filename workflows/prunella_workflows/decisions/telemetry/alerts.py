"""The alerts of anomalies, in the terms of Alertmanager.

All names come from telemetry, which anyone can send: they are cut, masked and printable, and are checked before one is
used as the name of an object (see `alert_classification`).
"""

from prunella_workflows.decisions.telemetry.judgement import Judgement
from prunella_workflows.model.alert import EDGES, ONSET, ORIGIN, PODS, SPLIT, TRACES, Alert, AlertStatus
from prunella_workflows.model.alert_policy import AlertHandlingMode
from prunella_workflows.model.telemetry import Anomaly, AnomalyKind, ServiceRef, SplitKind, readable

_TOLD = "w"
"""Ends the fingerprint of an alert that is only notified of. As in Alertmanager the severity is part of it: an
anomaly that becomes critical is another alert, and no repeat of that one."""

_LABELS = {"Deployment": "deployment", "StatefulSet": "statefulset", "DaemonSet": "daemonset"}
_MAX_PODS = 50
_MAX_EDGES = 5
_MAX_DEPENDANTS = 10
_MEASURES = {
    AnomalyKind.LOGS: "error logs are",
    AnomalyKind.SATURATION: "its usage is",
    AnomalyKind.TRAFFIC: "its requests are",
}
_SPLITS = {
    SplitKind.NEW_PODS: "Only pods of the template {} are affected.",
    SplitKind.ONE_POD: "Only pod {} is affected.",
    SplitKind.ONE_NODE: "Only pods on node {} are affected.",
    SplitKind.ALL: "All pods are affected.",
}


def to_alerts(judgement: Judgement, mode: AlertHandlingMode = AlertHandlingMode.HEAL) -> tuple[Alert, ...]:
    """The alerts that are new, changed or over. The end of an anomaly ends both its alerts."""
    if mode is AlertHandlingMode.RECORD:
        return ()
    still_open = (*judgement.opened, *judgement.changed)
    firing = (_alert(anomaly, heal=_may_heal(anomaly, mode)) for anomaly in still_open)
    ended = (_alert(anomaly, heal=heal) for anomaly in judgement.ended for heal in (False, True))
    return (*firing, *ended)


def _may_heal(anomaly: Anomaly, mode: AlertHandlingMode) -> bool:
    """Report whether it has all that an Incident takes. One that fires too early would only notify people."""
    complete = anomaly.origin is not None and bool(anomaly.pod_uids)
    return anomaly.critical and complete and mode is AlertHandlingMode.HEAL


def _severity(anomaly: Anomaly, *, heal: bool) -> str:
    if heal:
        return "critical"
    return "high" if anomaly.critical else "warning"


def _alert(anomaly: Anomaly, *, heal: bool) -> Alert:
    return Alert(
        fingerprint=anomaly.fingerprint if heal else f"{anomaly.fingerprint}{_TOLD}",
        status=AlertStatus.FIRING if anomaly.until is None else AlertStatus.RESOLVED,
        labels={
            "alertname": f"Telemetry{anomaly.kind}",
            "severity": _severity(anomaly, heal=heal),
            "service": readable(anomaly.subject.service),
            **_workload_labels(anomaly.subject),
            **_cause_label(anomaly),
        },
        annotations=_annotations(anomaly),
        starts_at=anomaly.since,
        ends_at=anomaly.until,
    )


def _workload_labels(subject: ServiceRef) -> dict[str, str]:
    label = _LABELS.get(subject.kind)
    if label is None:
        return {}
    return {"namespace": readable(subject.namespace), label: readable(subject.workload)}


def _cause_label(anomaly: Anomaly) -> dict[str, str]:
    """The cause that telemetry suggests: the diagnosis must confirm it by the cluster's own facts."""
    new = anomaly.split.kind is SplitKind.NEW_PODS and anomaly.is_own
    return {"prunella_cause": "bad_release"} if new else {}


def _annotations(anomaly: Anomaly) -> dict[str, str]:
    split = _SPLITS.get(anomaly.split.kind, "").format(readable(anomaly.split.name))
    texts = {
        "summary": f"{readable(str(anomaly.subject))}: {describe(anomaly)}",
        "description": " ".join(filter(None, (_origin_text(anomaly), split, _dependants_text(anomaly)))),
        ORIGIN: readable(str(anomaly.origin)) if anomaly.origin is not None else "",
        EDGES: "; ".join(map(readable, anomaly.edges[:_MAX_EDGES])),
        ONSET: f"{anomaly.since:%Y-%m-%dT%H:%M:%SZ}",
        SPLIT: f"{anomaly.split.kind} {readable(anomaly.split.name)}".strip(),
        TRACES: " ".join(map(readable, anomaly.traces)),
        PODS: " ".join(map(readable, anomaly.pod_uids[:_MAX_PODS])),
    }
    return {name: text for name, text in texts.items() if text}


def describe(anomaly: Anomaly) -> str:
    """The unusual measurement, the usual one, and the onset."""
    since = f"since {anomaly.since:%H:%M:%S} UTC"
    if anomaly.kind is AnomalyKind.ERROR_RATE:
        return f"{anomaly.share:.1%} of {anomaly.requests} requests fail, usually {anomaly.baseline:.1%}, {since}"
    if anomaly.kind is AnomalyKind.LATENCY:
        return f"the 95th percentile of {anomaly.requests} requests is {anomaly.ratio:.1f} times the usual one, {since}"
    return f"{_MEASURES[anomaly.kind]} {anomaly.ratio:.1f} times the usual, {since}"


def _origin_text(anomaly: Anomaly) -> str:
    if anomaly.origin is None:
        return "Where it comes from is unknown."
    return (
        "It comes from this workload itself." if anomaly.is_own else f"It comes from {readable(str(anomaly.origin))}."
    )


def _dependants_text(anomaly: Anomaly) -> str:
    names = ", ".join(map(readable, anomaly.dependants[:_MAX_DEPENDANTS]))
    return f"Affected as well: {names}." if names else ""
