"""The state before a repair, with which its result is compared."""

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.diagnosis.symptoms import Kind
from prunella_workflows.model.outcome import Baseline

_WITHOUT_NODE = frozenset({Kind.UNSCHEDULABLE, Kind.NOT_MADE})


def measure_baseline(findings: Findings) -> Baseline:
    """The baseline. Pods that had no node before the incident count apart, unless that is all that is wrong."""
    evidence, failing = findings.evidence, {failure.kind for failure in findings.failures}
    waiting = (pod.created_at for pod in evidence.live_pods if pod.unschedulable)
    unplaced = sum(at is not None and at < evidence.opened_at for at in waiting)
    return Baseline(
        available=evidence.workload.available_replicas,
        failing=tuple(sorted(failing)),
        unplaced=unplaced if failing - _WITHOUT_NODE else 0,
    )
