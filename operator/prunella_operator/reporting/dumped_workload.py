"""One workload of a dump: whether its fault persists, and its diagnosis, by the activities that ask a cluster.

Nothing is guessed from what the dump lacks: a fault that cannot be confirmed without it is not judged, and of one that
is, the diagnosis says what was not known.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from prunella_operator.activities.diagnose import Diagnoser
from prunella_operator.activities.evidence.collector import EvidenceCollector
from prunella_operator.activities.evidence.policies import effective_policy
from prunella_operator.activities.repair.repairer import Repairer
from prunella_operator.config.settings import Settings
from prunella_operator.kubernetes.dump.client import DumpClient
from prunella_operator.reporting.dump_lacks import describe, describe_all, is_needed
from prunella_workflows.contracts.healing import ConfirmRequest, DiagnoseReport, DiagnoseRequest
from prunella_workflows.model.base import Value
from prunella_workflows.model.incident import IncidentRef, IncidentSpec, IncidentType, TargetRef
from prunella_workflows.model.outcome import Presence
from prunella_workflows.model.signal import Signal
from prunella_workflows.model.workload import WorkloadRef


class State(StrEnum):
    """The state of a workload that has, or had, a fault."""

    FAILING = Presence.FAILING.value
    WATCHING = Presence.WATCHING.value
    RECOVERED = Presence.RECOVERED.value
    NOT_JUDGED = "NotJudged"


class DumpedFault(Value):
    """A fault of a workload. `report` is the diagnosis of one that is failing, `lacks` what it was made without.

    `fault` is what was observed, `message` the fault in words, or why it is not judged.
    """

    namespace: str
    workload: str
    state: State
    fault: IncidentType
    message: str
    report: DiagnoseReport | None = None
    lacks: tuple[str, ...] = ()


class DumpedWorkload:
    """A workload with signals. Its client is its own, and notes what the dump lacks; the dump's time is `now`."""

    def __init__(
        self, client: DumpClient, settings: Settings, now: datetime, target: WorkloadRef, signals: Sequence[Signal]
    ) -> None:
        protected = settings.protected_namespaces
        self._client = client
        self._collector = EvidenceCollector(client, settings.known_good_after, now=lambda: now)
        repairer = Repairer(client, self._collector, protected)
        self._diagnoser = Diagnoser(client, self._collector, repairer, protected, record_bytes=0)
        self._now = now
        self._target = target
        self._signals = signals
        self._incident = IncidentRef(namespace=target.namespace, name="", uid="")
        self._spec = _spec(target, signals[0])

    def judge(self) -> DumpedFault:
        """The fault, with its diagnosis if it persists."""
        opened_at = self._opened_at()
        request = ConfirmRequest(incident=self._incident, spec=self._spec, opened_at=opened_at)
        sighting = self._diagnoser.confirm(request).sighting
        if (needed := next(filter(is_needed, self._client.lacks), None)) is not None:
            return self._fault(State.NOT_JUDGED, describe(needed))
        fault = self._fault(State(sighting.presence.value), sighting.message)
        return self._diagnose(fault, opened_at) if fault.state is State.FAILING else fault

    def _fault(self, state: State, message: str) -> DumpedFault:
        namespace, workload = self._target.namespace, str(self._target)
        return DumpedFault(namespace=namespace, workload=workload, state=state, fault=self._spec.type, message=message)

    def _diagnose(self, fault: DumpedFault, opened_at: datetime) -> DumpedFault:
        request = DiagnoseRequest(incident=self._incident, spec=self._spec, opened_at=opened_at, target=self._target)
        report = self._diagnoser.diagnose(request)
        managed = not report.plan.steps or "managedFields" in self._collector.raw_workload(self._target)["metadata"]
        lacks = tuple(describe_all(self._client.lacks, managed=managed))
        return fault.model_copy(update={"report": report, "lacks": lacks})

    def _opened_at(self) -> datetime:
        """The time of the first fault, at least the policy's patience ago: nothing can be watched any longer."""
        _, workload, _ = self._collector.view(self._target)
        labels = self._collector.namespace_labels(self._target.namespace)
        policy = effective_policy(self._client, workload, labels)
        assert policy.grace is not None
        assert policy.back_off.time is not None
        patience = timedelta(seconds=max(policy.grace, policy.back_off.time))
        faults = (signal.fault_at for signal in self._signals if signal.fault_at is not None)
        return min([self._now - patience, *faults])


def _spec(target: WorkloadRef, signal: Signal) -> IncidentSpec:
    """The incident that a source would open."""
    reference = TargetRef(api_version=target.api_version, kind=target.kind, name=target.name)
    return IncidentSpec(
        target=None if target.kind == "Pod" else reference,
        pod_name=target.name if target.kind == "Pod" else None,
        container_name=signal.container or None,
        type=signal.type,
        severity=signal.severity,
    )
