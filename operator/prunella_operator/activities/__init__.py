"""The activities of healing: each is a few lines of I/O around a decision; errors are translated in one place."""

from temporalio import activity

from prunella_operator.activities.diagnose import Diagnoser
from prunella_operator.activities.evidence.collector import EvidenceCollector
from prunella_operator.activities.evidence.telemetry import NotConfigured as NoTelemetry
from prunella_operator.activities.evidence.telemetry import TelemetrySource
from prunella_operator.activities.recording import DEFAULT_BYTES
from prunella_operator.activities.repair.repairer import Repairer
from prunella_operator.activities.report import Reporter, log_escalation, record_trials
from prunella_operator.activities.verify import Verifier
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_operator.kubernetes.track_records import TrackRecords
from prunella_operator.metrics.port import MetricsSource, NotConfigured
from prunella_operator.metrics.usage import UsageReader
from prunella_operator.observability import outcomes
from prunella_workflows.contracts import healing
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.model.outcome import Judgement
from prunella_workflows.temporal.failures import translate_errors

_NO_METRICS = NotConfigured()
_NO_TELEMETRY = NoTelemetry()


class Activities(healing.HealingActivities):
    """The contract's activities over a real cluster. Synchronous: they run in the worker's thread pool."""

    def __init__(
        self,
        kube: SyncClient,
        stable_for: float,
        protected: tuple[str, ...],
        metrics: MetricsSource = _NO_METRICS,
        telemetry: TelemetrySource = _NO_TELEMETRY,
        *,
        record_bytes: int = DEFAULT_BYTES,
    ) -> None:
        collector = EvidenceCollector(kube, stable_for, UsageReader(kube, metrics), telemetry)
        self._repairer = Repairer(kube, collector, protected)
        self._diagnoser = Diagnoser(kube, collector, self._repairer, protected, record_bytes)
        self._verifier = Verifier(collector, metrics)
        self._reporter = Reporter(kube)
        self._records = TrackRecords(kube)

    @activity.defn(name="confirm")
    def confirm(self, request: healing.ConfirmRequest) -> healing.Confirmation:
        """See the contract."""
        with translate_errors():
            return self._diagnoser.confirm(request)

    @activity.defn(name="diagnose")
    def diagnose(self, request: healing.DiagnoseRequest) -> healing.DiagnoseReport:
        """See the contract."""
        with translate_errors():
            return self._diagnoser.diagnose(request)

    @activity.defn(name="repair", no_thread_cancel_exception=True)
    def repair(self, order: healing.RepairOrder) -> healing.Repaired:
        """See the contract. Never interrupted between write and result."""
        with translate_errors():
            return self._repairer.repair(order)

    @activity.defn(name="undo", no_thread_cancel_exception=True)
    def undo(self, order: healing.RepairOrder) -> healing.Repaired:
        """See the contract. Never interrupted between write and result."""
        with translate_errors():
            return self._repairer.undo(order)

    @activity.defn(name="verify")
    def verify(self, request: healing.VerifyRequest) -> Judgement:
        """See the contract."""
        with translate_errors():
            return self._verifier.verify(request)

    @activity.defn(name="report")
    def report(self, request: healing.ReportRequest) -> None:
        """See the contract."""
        with translate_errors():
            self._reporter.report(request)

    @activity.defn(name="close")
    def close(self, request: healing.ReportRequest) -> None:
        """See the contract."""
        with translate_errors():
            record_trials(self._records, request)
            self._reporter.report(request)
        outcomes.observe(request.status)
        if request.status.phase is Phase.ESCALATED:
            log_escalation(request)
