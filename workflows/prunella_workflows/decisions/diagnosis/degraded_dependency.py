"""A dependency that works, but badly: the origin of a workload's anomalies, where none of its pods fails."""

from collections.abc import Sequence

from prunella_workflows.decisions.diagnosis.anomalies import find_origin, is_about
from prunella_workflows.decisions.diagnosis.external_cause import (
    MAX_WAIT_FOR_INCIDENT,
    MAX_WAIT_WITHOUT_INCIDENT,
    RESTART_TIMEOUT,
    CauseKind,
    ExternalCause,
    max_wait,
)
from prunella_workflows.decisions.diagnosis.other_incidents import incident_about, recent_about, waits_for_us
from prunella_workflows.decisions.diagnosis.symptoms import Symptom
from prunella_workflows.model.evidence import Evidence, IncidentSummary
from prunella_workflows.model.neighbours import DependencyView
from prunella_workflows.model.telemetry import ServiceRef, readable


def find_degraded_dependency(evidence: Evidence, failures: Sequence[Symptom]) -> ExternalCause | None:
    """The workload or service from which all anomalies come; None if one is our own, or a pod fails."""
    origin = find_origin(evidence)
    if failures or origin is None:
        return None
    view = next((view for view in evidence.dependencies if is_about(origin, view.ref)), None)
    if view is None:
        return _unknown_to_cluster(origin)
    working = incident_about(str(view.ref), evidence, view.ref.namespace)
    return None if waits_for_us(working, evidence) else _degraded(view, working, evidence)


def _degraded(view: DependencyView, working: IncidentSummary | None, evidence: Evidence) -> ExternalCause:
    """The dependency with its incident. One that has just ended well leaves our anomaly the time to end too."""
    recent = recent_about(str(view.ref), evidence, view.ref.namespace)
    incident = working or recent
    wait = max_wait(view, working, evidence) if working or not recent else MAX_WAIT_FOR_INCIDENT + RESTART_TIMEOUT
    state = f", where {view.anomaly}" if view.anomaly else ""
    about = f"; incident {incident.name} is about it" if incident is not None else ""
    return ExternalCause(
        kind=CauseKind.DEPENDENCY,
        target=str(view.ref),
        incident=incident.name if incident is not None else "",
        message=f"Traces show that the anomaly comes from {view.ref} in namespace {view.ref.namespace}{state}{about}.",
        next_step=f"See incident {incident.name} of {view.ref}." if incident else f"See what is wrong with {view.ref}.",
        max_wait=wait.total_seconds(),
    )


def _unknown_to_cluster(origin: ServiceRef) -> ExternalCause:
    """An origin that is no workload of the cluster."""
    name = readable(str(origin))
    return ExternalCause(
        kind=CauseKind.DEPENDENCY,
        target=name,
        message=f"Traces show that the anomaly comes from {name}.",
        next_step=f"See what is wrong with {name}.",
        max_wait=MAX_WAIT_WITHOUT_INCIDENT.total_seconds(),
    )
