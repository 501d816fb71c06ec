"""Evidence from telemetry: what a workload's own traces, metrics and logs show, and where its anomalies come from."""

from typing import Protocol

import structlog

from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_operator.kubernetes.views.workloads import workload_view
from prunella_workflows.decisions.diagnosis.anomalies import find_origin, select_open
from prunella_workflows.decisions.telemetry.alerts import describe
from prunella_workflows.model.errors import Forbidden, InvalidIncident, NotFound, PrunellaError
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.neighbours import DependencyView
from prunella_workflows.model.telemetry import TelemetryView
from prunella_workflows.model.workload import WorkloadRef

_log = structlog.get_logger("prunella.telemetry")


class TelemetrySource(Protocol):
    """The telemetry that the pipeline has stored. Thread-safe."""

    def read(self, workload: WorkloadRef) -> TelemetryView | None:
        """The view of one workload now; None where telemetry is not configured or knows nothing of it.

        Raises:
            Unavailable: the database does not answer.
        """


class NotConfigured:
    """No telemetry."""

    def read(self, workload: WorkloadRef) -> TelemetryView | None:  # noqa: ARG002 - the port's signature
        """Nothing is known."""
        return None


class TelemetryReader:
    """Reads telemetry as evidence: that it cannot be read ends no diagnosis, and proves nothing."""

    def __init__(self, source: TelemetrySource) -> None:
        self._source = source

    def read(self, workload: WorkloadRef) -> TelemetryView | None:
        """The view of one workload; None also if it cannot be read now."""
        try:
            return self._source.read(workload)
        except PrunellaError as error:
            _log.warning("telemetry cannot be read", workload=str(workload), error=str(error))
            return None

    def origin(self, kube: SyncClient, evidence: Evidence) -> DependencyView | None:
        """The workload from which all anomalies come, if the cluster has it and its own telemetry says so too."""
        origin = find_origin(evidence)
        if origin is None:
            return None
        ref = WorkloadRef(kind=origin.kind, namespace=origin.namespace, name=origin.workload)
        try:
            workload = workload_view({"kind": ref.kind, "apiVersion": ref.api_version, **kube.get(paths.workload(ref))})
        except (NotFound, Forbidden, InvalidIncident):
            return None
        found = select_open(self.read(workload.ref), workload.ref, evidence.read_at)
        own = [anomaly for anomaly in found if anomaly.is_own]
        return DependencyView(
            ref=workload.ref,
            known_by="by traces",
            wanted=workload.replicas,
            available=workload.available_replicas,
            anomaly=describe(own[0]) if own else "",
        )
