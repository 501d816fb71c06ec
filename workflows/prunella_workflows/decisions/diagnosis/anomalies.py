"""Anomalies of a workload's telemetry that may explain its incident: critical, open, and by recent data.

They are claims: telemetry can be sent in anyone's name. To decide a write, facts of the cluster must confirm them.
"""

from datetime import datetime, timedelta

from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.telemetry import Anomaly, ServiceRef, TelemetryView
from prunella_workflows.model.workload import WorkloadRef

MAX_AGE = timedelta(minutes=2)
"""Older telemetry says nothing about now."""


def open_anomalies(evidence: Evidence) -> tuple[Anomaly, ...]:
    """The critical anomalies of this workload that go on; none without recent telemetry."""
    return select_open(evidence.telemetry, evidence.workload.ref, evidence.read_at)


def select_open(view: TelemetryView | None, ref: WorkloadRef, now: datetime) -> tuple[Anomaly, ...]:
    """Those of a view."""
    if view is None or now - view.read_to > MAX_AGE:
        return ()
    return tuple(
        anomaly
        for anomaly in view.anomalies
        if anomaly.critical and anomaly.until is None and is_about(anomaly.subject, ref)
    )


def is_about(service: ServiceRef, ref: WorkloadRef) -> bool:
    """Report whether a service names this workload."""
    return (service.namespace, service.kind, service.workload) == (ref.namespace, ref.kind, ref.name)


def find_origin(evidence: Evidence) -> ServiceRef | None:
    """The other service from which all open anomalies come; None if one is the workload's own."""
    anomalies = open_anomalies(evidence)
    origins = [anomaly.origin for anomaly in anomalies if anomaly.origin is not None and not anomaly.is_own]
    return origins[0] if origins and len(origins) == len(anomalies) else None
