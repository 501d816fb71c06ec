"""Diagnose the workloads of a dump as in a cluster, by the same reads and the same decisions.

Nothing is guessed from what a dump lacks: a fault that cannot be confirmed without it is not judged, and of one that
is, the diagnosis says what was not known.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from prunella_operator.activities.diagnose import Diagnoser
from prunella_operator.activities.evidence.collector import EvidenceCollector
from prunella_operator.activities.evidence.policies import effective_policy
from prunella_operator.activities.repair.repairer import Repairer
from prunella_operator.config.settings import Settings
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.dump.client import DumpClient
from prunella_operator.kubernetes.dump.files import Dump, ObjectId, ResourceId, plural
from prunella_operator.kubernetes.views.workloads import controller_of
from prunella_operator.reporting.dump_lacks import NO_MANAGERS, describe, is_needed
from prunella_operator.reporting.dump_signals import find_signals
from prunella_workflows.contracts.healing import ConfirmRequest, DiagnoseReport, DiagnoseRequest
from prunella_workflows.model.base import Value
from prunella_workflows.model.errors import Forbidden, NotFound
from prunella_workflows.model.incident import IncidentRef, IncidentSpec, IncidentType, TargetRef
from prunella_workflows.model.outcome import Presence
from prunella_workflows.model.signal import Signal
from prunella_workflows.model.workload import WorkloadRef

_SNAPSHOTS = "controllerrevisions"
"""A diagnosis looks there for Prunella's own snapshots, too; a controller's are needed before."""
_API_VERSIONS = {"Pod": "v1", "Job": "batch/v1"}
_WORKLOADS = tuple(
    ResourceId(version, name)
    for version, plurals in (
        ("apps/v1", ("deployments", "statefulsets", "daemonsets", "replicasets")),
        ("batch/v1", ("cronjobs", "jobs")),
        ("v1", ("pods",)),
    )
    for name in plurals
)


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


class DumpDiagnosis(Value):
    """The faults of a dump, of its time `at`, among its `workloads`."""

    at: datetime
    workloads: int
    faults: tuple[DumpedFault, ...] = ()

    def count(self, state: State) -> int:
        """The number of faults in a state."""
        return sum(fault.state is state for fault in self.faults)


class DumpDiagnoser:
    """Diagnoses a dump under the policies of a file, if any, and the built-in one."""

    def __init__(self, dump: Dump, settings: Settings, policies: tuple[Object, ...] = ()) -> None:
        self._dump = dump
        self._settings = settings
        self._policies = policies

    def diagnose(self, select: Callable[[str, str], bool]) -> DumpDiagnosis:
        """The faults of the workloads that `select` selects by namespace and `Kind/name`.

        Raises:
            ValueError: an object of the dump cannot be read; the message names its place.
        """
        workloads = [each for each in _workloads(self._dump) if select(*each)]
        faults = [fault for fault in self._faults(select) if select(fault.namespace, fault.workload)]
        ordered = sorted(faults, key=lambda fault: (list(State).index(fault.state), fault.namespace, fault.workload))
        return DumpDiagnosis(at=self._dump.at, workloads=len(workloads), faults=tuple(ordered))

    def _faults(self, select: Callable[[str, str], bool]) -> Iterator[DumpedFault]:
        """One for each workload with signals, and for each owner that the dump does not have."""
        owners, known = self._collector(self._client()), defaultdict[WorkloadRef, list[Signal]](list)
        orphans: dict[tuple[str, str], DumpedFault] = {}
        for signal in find_signals(self._dump):
            try:
                known[owners.top_owner(_observed(signal))].append(signal)
            except (NotFound, Forbidden) as error:
                orphan = _orphan(signal, str(error))
                orphans[orphan.namespace, orphan.workload] = orphan
        yield from orphans.values()
        for target, signals in known.items():
            if select(target.namespace, str(target)):
                yield self._place_errors(target, signals)

    def _place_errors(self, target: WorkloadRef, signals: Sequence[Signal]) -> DumpedFault:
        """Judge a workload. An object whose fields are not those of its kind is the fault of the dump."""
        try:
            return self._judge(target, signals)
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            resource, name = (
                ResourceId(target.api_version, plural(target.kind)),
                ObjectId(target.namespace, target.name),
            )
            place = self._dump.of(resource)[name].place
            raise ValueError(f"{place}: {target}, or what belongs to it, cannot be read: {error!r}") from error

    def _judge(self, target: WorkloadRef, signals: Sequence[Signal]) -> DumpedFault:
        client, protected = self._client(), self._settings.protected_namespaces
        collector = self._collector(client)
        diagnoser = Diagnoser(client, collector, Repairer(client, collector, protected), protected, record_bytes=0)
        incident, spec = IncidentRef(namespace=target.namespace, name="", uid=""), _spec(target, signals[0])
        opened_at = self._opened_at(client, collector, target, signals)
        found = diagnoser.confirm(ConfirmRequest(incident=incident, spec=spec, opened_at=opened_at))
        fault = DumpedFault(
            namespace=target.namespace,
            workload=str(target),
            state=State(found.sighting.presence.value),
            fault=spec.type,
            message=found.sighting.message,
        )
        if needed := next(filter(is_needed, client.lacks), None):
            return fault.model_copy(update={"state": State.NOT_JUDGED, "message": describe(needed)})
        if fault.state is not State.FAILING:
            return fault
        request = DiagnoseRequest(incident=incident, spec=spec, opened_at=opened_at, target=found.target)
        report = diagnoser.diagnose(request)
        managed = "managedFields" in collector.raw_workload(target)["metadata"]
        lacks = [describe(lack) for lack in client.lacks if lack.resource != _SNAPSHOTS]
        lacks += [NO_MANAGERS] if report.plan.steps and not managed else []
        return fault.model_copy(update={"report": report, "lacks": tuple(lacks)})

    def _opened_at(
        self, client: DumpClient, collector: EvidenceCollector, target: WorkloadRef, signals: Sequence[Signal]
    ) -> datetime:
        """The time of the first fault, at least the policy's patience ago: nothing can be watched any longer."""
        _, workload, _ = collector.view(target)
        policy = effective_policy(client, workload, collector.namespace_labels(target.namespace))
        assert policy.grace is not None
        assert policy.back_off.time is not None
        patience = timedelta(seconds=max(policy.grace, policy.back_off.time))
        return min([self._dump.at - patience, *(signal.fault_at for signal in signals if signal.fault_at is not None)])

    def _client(self) -> DumpClient:
        return DumpClient(self._dump, self._policies)

    def _collector(self, client: DumpClient) -> EvidenceCollector:
        return EvidenceCollector(client, self._settings.known_good_after, now=lambda: self._dump.at)


def _observed(signal: Signal) -> WorkloadRef:
    """The object that a signal is about."""
    version = _API_VERSIONS.get(signal.kind, "apps/v1")
    return WorkloadRef(api_version=version, kind=signal.kind, namespace=signal.namespace, name=signal.name)


def _orphan(signal: Signal, why: str) -> DumpedFault:
    """The fault of an object whose owner the dump does not have."""
    return DumpedFault(
        namespace=signal.namespace,
        workload=str(signal.owner) if signal.owner is not None else f"{signal.kind}/{signal.name}",
        state=State.NOT_JUDGED,
        fault=signal.type,
        message=f"which workload {signal.kind.lower()} {signal.name} ({signal.reason}) belongs to: {why}",
    )


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


def _workloads(dump: Dump) -> Iterator[tuple[str, str]]:
    """The namespace and the `Kind/name` of all workloads that no other one controls."""
    for resource in _WORKLOADS:
        for name, found in dump.of(resource).items():
            if controller_of(found.raw) is None:
                yield name.namespace, f"{found.raw['kind']}/{name.name}"
