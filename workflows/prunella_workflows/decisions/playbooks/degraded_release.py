"""The blame of a release whose pods are ready and serve badly, by telemetry that the cluster's own facts confirm."""

from datetime import datetime, timedelta

from prunella_workflows.decisions.diagnosis.anomalies import open_anomalies
from prunella_workflows.decisions.playbooks.revisions import current_records, doubt
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.telemetry import Anomaly, AnomalyKind, SplitKind
from prunella_workflows.model.workload import RevisionView

_PRECISION = timedelta(seconds=30)
"""An onset is the start of its window, and an error by chance just before it may count."""

_WITH_ROLLOUT = timedelta(minutes=2)
"""After the beginning of a rollout. Where no old pod is left to compare with, only the time tells."""

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
    return (
        _describe_strange_pods(evidence, anomalies)
        or _describe_spread(evidence, anomalies)
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


def is_compared(evidence: Evidence) -> bool:
    """Report whether the new pods were compared with old ones that serve well at the same time."""
    return all(anomaly.split.kind is SplitKind.NEW_PODS for anomaly in serving_anomalies(evidence))


def _describe_spread(evidence: Evidence, anomalies: tuple[Anomaly, ...]) -> str:
    """Only new pods may be affected, or all pods of a template that replaced the old one at that very time."""
    began = _rollout_began(evidence)
    others = [anomaly for anomaly in anomalies if anomaly.split.kind is not SplitKind.NEW_PODS]
    replaced = evidence.live_pods == evidence.current_pods
    if not others or (replaced and all(_began_with(began, anomaly, evidence) for anomaly in others)):
        return ""
    return "not only pods of a new template are affected"


def _began_with(began: datetime | None, anomaly: Anomaly, evidence: Evidence) -> bool:
    """Report whether all pods are affected, be it the only one, and were so from the rollout on."""
    only = set(anomaly.pod_uids) == {pod.uid for pod in evidence.live_pods}
    everywhere = anomaly.split.kind is SplitKind.ALL or (anomaly.split.kind is SplitKind.UNKNOWN and only)
    return everywhere and began is not None and anomaly.since <= began + _WITH_ROLLOUT


def _rollout_began(evidence: Evidence) -> datetime | None:
    return next((revision.created_at for revision in evidence.revisions if revision.current), None)


def _describe_onset(evidence: Evidence, anomalies: tuple[Anomaly, ...]) -> str:
    """The anomaly must begin with the rollout, and before the template was seen to serve well."""
    first, last = min(anomaly.since for anomaly in anomalies), max(anomaly.since for anomaly in anomalies)
    began = _rollout_began(evidence)
    if began is None:
        return "the beginning of its rollout is unknown"
    if first < began - _PRECISION:
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
