"""Confirm and diagnose: read the facts, then decide. Writes nothing."""

from prunella_operator.activities.decision import decide
from prunella_operator.activities.evidence.collector import EvidenceCollector
from prunella_operator.activities.evidence.policies import effective_policy, read_layers
from prunella_operator.activities.recording import pack
from prunella_operator.activities.repair.guard_checks import count_blocks
from prunella_operator.activities.repair.repair_slots import RepairSlotAllocator
from prunella_operator.activities.repair.repairer import Repairer
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_operator.kubernetes.track_records import TrackRecords
from prunella_workflows.contracts.healing import Confirmation, ConfirmRequest, DiagnoseReport, DiagnoseRequest
from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.verification import confirmation, telemetry
from prunella_workflows.decisions.verification.firing_alert import wait_while_firing
from prunella_workflows.model.errors import NotFound, PrunellaError, TargetDeleted
from prunella_workflows.model.facts import Facts
from prunella_workflows.model.plan import Action
from prunella_workflows.model.policy_merge import merge_layers


class Diagnoser:
    """Reads the cluster and calls the decisions. A record of the facts takes up to `record_bytes`; 0: none is kept."""

    def __init__(
        self,
        kube: SyncClient,
        collector: EvidenceCollector,
        repairer: Repairer,
        protected: tuple[str, ...],
        record_bytes: int,
    ) -> None:
        self._kube = kube
        self._collector = collector
        self._repairer = repairer
        self._protected = protected
        self._record_bytes = record_bytes
        self._slots = RepairSlotAllocator(kube)
        self._records = TrackRecords(kube)

    def confirm(self, request: ConfirmRequest) -> Confirmation:
        """Resolve the target and check whether the fault is present.

        Raises:
            NotFound: the target does not exist.
            TargetDeleted: it was deleted since an earlier check.
        """
        try:
            return self._confirm(request)
        except NotFound as error:
            if request.found:
                raise TargetDeleted(str(error)) from error
            raise

    def _confirm(self, request: ConfirmRequest) -> Confirmation:
        target = self._collector.resolve(request.incident, request.spec)
        name, opened_at = request.incident.name, request.opened_at
        evidence = self._collector.evidence(target, request.spec, opened_at, full=False, name=name, since=request.since)
        policy = effective_policy(self._kube, evidence.workload, evidence.namespace_labels)
        assert policy.alert_patience is not None
        assert policy.grace is not None
        findings = Findings(evidence)
        sighting = confirmation.confirm(findings, policy, request.calm_since)
        sighting = telemetry.confirm(sighting, findings, policy.grace)
        return Confirmation(target=target, sighting=wait_while_firing(sighting, evidence, policy.alert_patience))

    def diagnose(self, request: DiagnoseRequest) -> DiagnoseReport:
        """The root cause, the steps still to try, every guard's result, and the exact change of the next step."""
        facts = self._facts(request)
        report = decide(request, facts)
        count_blocks(report.guards, request.known)
        diff = self._preview(report.plan.steps[0].action) if report.plan.steps else ""
        return report.model_copy(update={"diff": diff, "record": pack(facts, self._record_bytes)})

    def _facts(self, request: DiagnoseRequest) -> Facts:
        name, target = request.incident.name, request.target
        evidence = self._collector.evidence(target, request.spec, request.opened_at, full=True, name=name)
        layers = read_layers(self._kube, evidence.workload, evidence.namespace_labels)
        policy = merge_layers(layers, evidence.namespace_labels)
        return Facts(
            evidence=evidence,
            policies=layers,
            slots=self._slots.peek(request.incident.uid),
            healthy_percent=self._collector.healthy_percent(target.namespace, policy),
            protected_namespaces=self._protected,
            track_record=self._records.read(evidence.workload.ref) if policy.autonomy.enabled else None,
        )

    def _preview(self, action: Action) -> str:
        """The diff for people; an obstacle is reported more clearly by the repair itself."""
        try:
            return self._repairer.preview(action)
        except PrunellaError as error:
            return f"(no diff: {error})"
