"""The provenance of telemetry: anyone can send it in another's name, so its pods must exist and belong to the workload.

A sender who knows the uid of a pod passes. So no alert decides a write: the diagnosis needs facts of the cluster.
"""

from prunella_operator.activities.evidence.collector import EvidenceCollector
from prunella_workflows.model.alert import PODS, Alert
from prunella_workflows.model.workload import WorkloadRef


def find_doubt(collector: EvidenceCollector, alert: Alert, target: WorkloadRef | None) -> str:
    """The reason to doubt that an alert of telemetry is about this workload; "" for none."""
    if target is None:
        return "telemetry names a workload that does not exist, so nothing is repaired"
    claimed = set(alert.annotations.get(PODS, "").split())
    if not claimed:
        return "telemetry names no pods, so nothing is repaired"
    _, _, pods = collector.view(target)
    strange = claimed - {pod.uid for pod in pods}
    if not strange:
        return ""
    return f"{len(strange)} of {len(claimed)} pods that telemetry names are not of {target}, so nothing is repaired"
