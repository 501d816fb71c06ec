"""Diagnose the workloads of a dump as those of a cluster, by the same reads and the same decisions."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

from prunella_operator.activities.evidence.collector import EvidenceCollector
from prunella_operator.config.settings import Settings
from prunella_operator.json_text import InvalidFile
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.dump.client import DumpClient
from prunella_operator.kubernetes.dump.files import Dump, ObjectId, ResourceId, plural
from prunella_operator.kubernetes.views.workloads import controller_of
from prunella_operator.reporting.dump_signals import find_signals
from prunella_operator.reporting.dumped_workload import DumpedFault, DumpedWorkload, State
from prunella_workflows.model.base import Value
from prunella_workflows.model.errors import Forbidden, NotFound
from prunella_workflows.model.signal import Signal
from prunella_workflows.model.workload import WorkloadRef

_WORKLOADS = tuple(
    ResourceId(version, name)
    for version, names in (
        ("apps/v1", ("deployments", "statefulsets", "daemonsets", "replicasets")),
        ("batch/v1", ("cronjobs", "jobs")),
        ("v1", ("pods",)),
    )
    for name in names
)


class DumpDiagnosis(Value):
    """The faults of a dump, of its time `at`, among its `workloads`."""

    at: datetime
    workloads: int
    faults: tuple[DumpedFault, ...] = ()

    def count(self, state: State) -> int:
        """The number of faults in a state."""
        return sum(fault.state is state for fault in self.faults)


class Selection(NamedTuple):
    """The wanted workloads: of one namespace, and of one name or `Kind/name`; None: of any."""

    namespace: str | None = None
    workload: str | None = None

    def has(self, namespace: str, workload: str) -> bool:
        """True if a workload, named `Kind/name`, is wanted."""
        names = {None, workload, workload.partition("/")[2]}
        return self.namespace in {None, namespace} and self.workload in names


class DumpDiagnoser:
    """Diagnoses a dump under the policies of a file, if any, and the built-in one."""

    def __init__(self, dump: Dump, settings: Settings, policies: tuple[Object, ...] = ()) -> None:
        self._dump = dump
        self._settings = settings
        self._policies = policies

    def diagnose(self, wanted: Selection) -> DumpDiagnosis:
        """The faults of the wanted workloads, those that are failing first.

        Raises:
            InvalidFile: an object of the dump cannot be read; the message names its place.
        """
        workloads = [each for each in _workloads(self._dump) if wanted.has(*each)]
        faults = sorted(self._faults(wanted), key=_order)
        return DumpDiagnosis(at=self._dump.at, workloads=len(workloads), faults=tuple(faults))

    def _faults(self, wanted: Selection) -> Iterator[DumpedFault]:
        """One for each wanted workload with signals, and for each unknown one, which may be any of its namespace."""
        collector = EvidenceCollector(DumpClient(self._dump), self._settings.known_good_after)
        known, unknown = defaultdict[WorkloadRef, list[Signal]](list), dict[tuple[str, str], DumpedFault]()
        for signal in find_signals(self._dump):
            try:
                with self._placing_errors(observed := _observed(signal)):
                    known[collector.top_owner(observed)].append(signal)
            except (NotFound, Forbidden) as error:
                fault = _of_unknown_owner(signal, str(error))
                unknown[fault.namespace, fault.workload] = fault
        yield from (fault for fault in unknown.values() if wanted.namespace in {None, fault.namespace})
        for target, signals in known.items():
            if wanted.has(target.namespace, str(target)):
                yield self._judge(target, signals)

    def _judge(self, target: WorkloadRef, signals: list[Signal]) -> DumpedFault:
        client = DumpClient(self._dump, self._policies)
        with self._placing_errors(target):
            return DumpedWorkload(client, self._settings, self._dump.at, target, signals).judge()

    @contextmanager
    def _placing_errors(self, ref: WorkloadRef) -> Iterator[None]:
        """Name the place of an object. That one does not have the fields of its kind is the fault of the dump."""
        try:
            yield
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            found = self._dump.of(ResourceId(ref.api_version, plural(ref.kind)))[ObjectId(ref.namespace, ref.name)]
            text = f"{found.place}: {ref}, or what belongs to it, cannot be read: {error!r}"
            raise InvalidFile(text) from error


def _order(fault: DumpedFault) -> tuple[int, str, str]:
    return list(State).index(fault.state), fault.namespace, fault.workload


def _observed(signal: Signal) -> WorkloadRef:
    """The object that a signal is about."""
    return WorkloadRef(
        api_version=paths.api_version(signal.kind), kind=signal.kind, namespace=signal.namespace, name=signal.name
    )


def _of_unknown_owner(signal: Signal, why: str) -> DumpedFault:
    """The fault of an object whose owner the dump does not have."""
    return DumpedFault(
        namespace=signal.namespace,
        workload=str(signal.owner) if signal.owner is not None else f"{signal.kind}/{signal.name}",
        state=State.NOT_JUDGED,
        fault=signal.type,
        message=f"which workload {signal.kind.lower()} {signal.name} ({signal.reason}) belongs to: {why}",
    )


def _workloads(dump: Dump) -> Iterator[tuple[str, str]]:
    """The namespace and the `Kind/name` of all workloads that no other one controls."""
    for resource in _WORKLOADS:
        for name, found in dump.of(resource).items():
            if controller_of(found.raw) is None:
                yield name.namespace, f"{found.raw['kind']}/{name.name}"
