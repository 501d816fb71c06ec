"""The facts that the cluster remembers of workloads, each read once in a sweep, however many incidents it had."""

from dataclasses import dataclass, field, replace

from prunella_operator import clock
from prunella_operator.aftermath.case import Afterwards, LaterIncident
from prunella_operator.incidents.deduplication import Earlier
from prunella_operator.incidents.earlier import read_earlier
from prunella_operator.incidents.view import IncidentView
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.async_client import AsyncClient
from prunella_operator.kubernetes.selectors import format_selector, selector_of
from prunella_operator.kubernetes.times import parse_annotation_time
from prunella_operator.kubernetes.views.workloads import controlled_by
from prunella_workflows.model.errors import NotFound
from prunella_workflows.model.workload import WorkloadRef


@dataclass(slots=True)
class Looks:
    """The looks of one sweep."""

    rest: AsyncClient
    _read: dict[WorkloadRef, tuple[Afterwards, Earlier]] = field(default_factory=dict)

    async def after(self, incident: IncidentView, ref: WorkloadRef) -> Afterwards:
        """The facts about the incident's workload, with the incidents that followed it."""
        if ref not in self._read:
            self._read[ref] = await self._look(ref)
        after, earlier = self._read[ref]
        opened = incident.metadata.creation_timestamp
        later = [one for one in earlier if one.metadata.creation_timestamp > opened]
        return replace(after, later=tuple(map(_later, later)))

    async def _look(self, ref: WorkloadRef) -> tuple[Afterwards, Earlier]:
        try:
            raw = {"kind": ref.kind, **await self.rest.get(paths.workload(ref))}
        except NotFound:
            return Afterwards(clock.now(), None), ()
        earlier = await read_earlier(self.rest, ref)
        revisions = await self._controlled(paths.history(ref.kind, ref.namespace), raw, {raw["metadata"]["uid"]})
        owners = {raw["metadata"]["uid"], *(revision["metadata"]["uid"] for revision in revisions)}
        pods = await self._controlled(paths.core(ref.namespace, "pods"), raw, owners)
        return Afterwards(read_at=clock.now(), workload=raw, revisions=revisions, pods=pods), earlier

    async def _controlled(self, path: str, raw: Object, owners: set[str]) -> tuple[Object, ...]:
        """The objects with a workload's labels that one of these owners controls."""
        selector = {"labelSelector": format_selector(selector_of(raw))}
        return tuple(controlled_by(owners, await self.rest.list(path, selector, into=Object)))


def _later(incident: IncidentView) -> LaterIncident:
    """The incident with the time of its fault: it may be opened when that is over already, after its grace period."""
    meta = incident.metadata
    fault_at = parse_annotation_time(meta.annotations.fault_at) or meta.creation_timestamp
    return LaterIncident(fault_at, str(incident.spec.get("type", "")))
