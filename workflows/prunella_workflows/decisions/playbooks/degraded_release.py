"""The blame of a release whose pods are ready and serve badly, by telemetry that the cluster's own facts confirm."""

from datetime import timedelta

from prunella_workflows.decisions.diagnosis.anomalies import open_anomalies
from prunella_workflows.decisions.playbooks.revisions import current_records, doubt
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.telemetry import Anomaly, AnomalyKind, SplitKind
from prunella_workflows.model.workload import RevisionView

_WINDOW = timedelta(seconds=10)
"""The precision of an onset."""

_SOON = timedelta(minutes=30)
"""After the beginning of its rollout. Later something else may have changed as well."""

_SERVING = frozenset({AnomalyKind.ERROR_RATE, AnomalyKind.LATENCY})


def serving_anomalies(evidence: Evidence) -> tuple[Anomaly, ...]:
    """The open anomalies of the workload's own answers: errors and durations."""
    return tuple(anomaly for anomaly in open_anomalies(evidence) if anomaly.kind in _SERVING)


def acquit(evidence: Evidence, good: RevisionView | None) -> str:
    """The reason for which the current release is not to blame for its anomalies; "" if it is."""
    anomalies = serving_anomalies(evidence)
    if not anomalies:
        return "telemetry shows no critical anomaly of its answers"
    if not all(anomaly.is_own for anomaly in open_anomalies(evidence)):
        return "not every anomaly comes from this workload itself"
    if any(anomaly.split.kind is not SplitKind.NEW_PODS for anomaly in anomalies):
        return "not only pods of a new template are affected"
    return (
        _describe_strange_pods(evidence, anomalies)
        or _describe_onset(evidence, anomalies)
        or _describe_good(good)
        or _describe_missing_baseline(evidence, anomalies)
    )


def _describe_strange_pods(evidence: Evidence, anomalies: tuple[Anomaly, ...]) -> str:
    """The pods must be the cluster's own, and of the current template."""
    claimed = {uid for anomaly in anomalies for uid in anomaly.pod_uids}
    strange = claimed - {pod.uid for pod in evidence.current_pods}
    if not claimed:
        return "telemetry names no pods"
    return f"{len(strange)} of {len(claimed)} affected pods are not of the current template" if strange else ""


def _describe_onset(evidence: Evidence, anomalies: tuple[Anomaly, ...]) -> str:
    """The anomaly must begin with the rollout, and before the template was seen to serve well."""
    first, last = min(anomaly.since for anomaly in anomalies), max(anomaly.since for anomaly in anomalies)
    began = next((revision.created_at for revision in evidence.revisions if revision.current), None)
    if began is None:
        return "the beginning of its rollout is unknown"
    if first < began - _WINDOW:
        return f"the anomaly began at {first:%H:%M:%S} UTC, before its rollout at {began:%H:%M:%S} UTC"
    if last > began + _SOON:
        return f"the anomaly began at {last:%H:%M:%S} UTC, long after its rollout at {began:%Y-%m-%d %H:%M:%S} UTC"
    good = [at for revision in current_records(evidence) if (at := revision.good_since or revision.good_at) is not None]
    return "the current template served well before the anomaly began" if good and min(good) <= last else ""


def _describe_good(good: RevisionView | None) -> str:
    if good is None:
        return "no earlier revision is known to have been available"
    return doubt(good)


def _describe_missing_baseline(evidence: Evidence, anomalies: tuple[Anomaly, ...]) -> str:
    """Telemetry must have seen the workload serve without the anomaly."""
    view = evidence.telemetry
    assert view is not None
    learnt = {AnomalyKind.ERROR_RATE: view.error_baseline, AnomalyKind.LATENCY: view.p95_baseline_ms}
    return "nothing is known of how it served before" if any(learnt[one.kind] is None for one in anomalies) else ""
