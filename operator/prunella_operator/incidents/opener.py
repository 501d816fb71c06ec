"""The one front door: every source, alerts included, opens its Incidents here, by the same rules and the same names.

Asynchronous in the operator and in the worker. Sources differ only in what they remember of a fault, so each of them
brings its own `FindCovering`.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import structlog

from prunella_operator import clock
from prunella_operator.incidents import deduplication
from prunella_operator.incidents.deduplication import Earlier, new_incident
from prunella_operator.incidents.earlier import read_earlier
from prunella_operator.incidents.view import IncidentView
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.async_client import AsyncClient
from prunella_operator.kubernetes.request import AlreadyExists
from prunella_operator.kubernetes.views.workloads import controller_of, is_ignored, is_workload
from prunella_operator.observability import metrics, tracing
from prunella_workflows.model.errors import NotFound
from prunella_workflows.model.signal import OwnerRef, Signal
from prunella_workflows.model.workload import WorkloadRef

_log = structlog.get_logger("prunella.intake")

# Lets the API server respond from its cache. For the latest state it asks etcd first, which takes up to a tenth of a
# second while others write; a policy changed so recently only makes the same fault count as another one.
_FROM_CACHE = {"resourceVersion": "0"}


class Outcome(StrEnum):
    """The outcome of a signal."""

    OPENED = "opened"
    JOINED = "joined"
    IGNORED = "ignored"


class Opening(NamedTuple):
    """An outcome and the incident that covers the fault, if there is one."""

    outcome: Outcome
    incident: IncidentView | None = None


class Subject(NamedTuple):
    """The workload at the top of the owners, its namespace, and its incidents so far."""

    target: WorkloadRef
    raw: Object
    namespace: Object
    earlier: Earlier


FindCovering = Callable[[Collection[str], Earlier], IncidentView | None]
"""Finds the incident that covers a fault, by its fingerprints."""


@dataclass(frozen=True, slots=True)
class IncidentOpener:
    """Opens Incidents."""

    rest: AsyncClient

    async def open(
        self,
        signal: Signal,
        subject: Subject,
        find_covering: FindCovering,
        *,
        description: str = "",
        annotations: Mapping[str, str] | None = None,
    ) -> Opening:
        """Open the incident of a signal unless one covers its fault, or the owner asked to be left alone."""
        target, earlier = subject.target, subject.earlier
        if is_ignored(subject.raw) or is_ignored(subject.namespace):
            return Opening(Outcome.IGNORED)
        policies = await self._policies(earlier, target.namespace)
        faults = deduplication.fault_fingerprints(target, subject.raw, subject.namespace, policies)
        if (covering := find_covering(faults, earlier)) is not None:
            return Opening(Outcome.JOINED, covering)
        facts = {"prunella.source": signal.source, "prunella.target": str(target), "prunella.fault": signal.reason}
        with tracing.span("incident:open", facts, started=signal.observed_at):
            body = new_incident(signal, target, faults[0], earlier, description=description, annotations=annotations)
            opening = await self._create(target, body)
            if opening.outcome is Outcome.OPENED:
                delay = (clock.now() - signal.observed_at).total_seconds()
                metrics.OPENING.observe(max(0.0, delay), tracing.exemplar())
                _log.info("incident opened", namespace=target.namespace, target=str(target), fault=signal.reason)
        return opening

    async def _create(self, target: WorkloadRef, body: Object) -> Opening:
        """Create it under its derived name, which is taken if another observer, or an earlier attempt, was faster.

        If an incident about something else has it, whose author could know it in advance, take another one.
        """
        collection = paths.incidents(target.namespace)
        try:
            return Opening(Outcome.OPENED, IncidentView.from_object(await self.rest.create(collection, body)))
        except AlreadyExists:
            found = IncidentView.from_object(await self.rest.get(f"{collection}/{body['metadata']['name']}"))
        if deduplication.is_about(found, target):
            return Opening(Outcome.JOINED, found)
        _log.warning(
            "the name of an incident is taken by another one", namespace=target.namespace, name=found.metadata.name
        )
        body["metadata"]["name"] = deduplication.random_name(target)
        return Opening(Outcome.OPENED, IncidentView.from_object(await self.rest.create(collection, body)))

    async def _policies(self, earlier: Earlier, namespace: str) -> tuple[Object, ...]:
        """The policies that may apply. While an incident is open they do not matter: the signal joins it anyway."""
        if any(not incident.closed for incident in earlier):
            return ()
        collections = (paths.policies(), paths.policies(namespace))
        cluster, own = await asyncio.gather(*(self.rest.list(path, _FROM_CACHE, into=Object) for path in collections))
        return (*cluster, *own)

    async def find_subject(self, signal: Signal) -> Subject:
        """Resolve the top owner of a signal's object: itself without an owner. Raises NotFound when it is gone."""
        namespace, found = await asyncio.gather(self._namespace(signal.namespace), self._top_owner(signal))
        target, raw, earlier = found
        return Subject(target, raw, namespace, earlier)

    async def read_subject(self, target: WorkloadRef) -> Subject:
        """Read a workload that is known to be at the top of the owners. Raises NotFound when it is gone."""
        namespace, (raw, earlier) = await asyncio.gather(self._namespace(target.namespace), self._read(target))
        return Subject(target, raw, namespace, earlier)

    async def _namespace(self, name: str) -> Object:
        return await self.rest.get(f"/api/v1/namespaces/{name}")

    async def _top_owner(self, signal: Signal) -> tuple[WorkloadRef, Object, Earlier]:
        subject = OwnerRef(
            api_version=paths.api_version(signal.kind), kind=signal.kind, name=signal.name, uid=signal.uid
        )
        owner, found = signal.owner, None
        while owner is not None and is_workload(owner):
            subject = owner
            found = await self._read(_workload_ref(subject, signal.namespace))
            owner = controller_of(found[0])
        target = _workload_ref(subject, signal.namespace)
        return (target, *(found or await self._read(target)))

    async def _read(self, ref: WorkloadRef) -> tuple[Object, Earlier]:
        """Read the object and its incidents at once. A ReplicaSet is rarely at the top: its incidents come second."""
        if ref.kind != "ReplicaSet":
            return await asyncio.gather(self._object(ref), read_earlier(self.rest, ref))
        raw = await self._object(ref)
        owner = controller_of(raw)
        return raw, [] if owner is not None and is_workload(owner) else await read_earlier(self.rest, ref)

    async def _object(self, ref: WorkloadRef) -> Object:
        raw = await self.rest.get(paths.workload(ref))
        raw.setdefault("kind", ref.kind)
        if ref.uid and raw["metadata"]["uid"] != ref.uid:
            raise NotFound(f"{ref} was deleted; an object with the same name but a different UID exists")
        return raw


def _workload_ref(owner: OwnerRef, namespace: str) -> WorkloadRef:
    return WorkloadRef(namespace=namespace, **owner.model_dump())
