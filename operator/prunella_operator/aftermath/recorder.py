"""Note on observed Incidents what happened afterwards, before the cluster forgets it. Only the leader does it.

It writes once per Incident, into its status; nothing is written while an Incident is open.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NoReturn

import structlog

from prunella_operator import clock
from prunella_operator.aftermath.case import Afterwards, LaterIncident, Observed
from prunella_operator.aftermath.change import ChangeKind, find_change
from prunella_operator.aftermath.classifier import classify, read_health
from prunella_operator.aftermath.plans import PlanReader, ShownPlan
from prunella_operator.incidents.earlier import read_earlier
from prunella_operator.incidents.view import IncidentView
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import MERGE_PATCH, Object
from prunella_operator.kubernetes.async_client import AsyncClient
from prunella_operator.kubernetes.selectors import format_selector, selector_of
from prunella_operator.kubernetes.times import parse_annotation_time
from prunella_operator.kubernetes.views.workloads import controller_of
from prunella_workflows.model.aftermath import Aftermath, AftermathOutcome
from prunella_workflows.model.errors import Conflict, NotFound, Permanent, Retryable
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.model.workload import WorkloadRef

_log = structlog.get_logger("prunella.aftermath")

SWEEP_INTERVAL_SECONDS = 300.0
_CHECK_INTERVAL_SECONDS = 0.05  # leaves the API server to more urgent requests
_WELL = timedelta(minutes=10)
"""Longer than the pause between two crashes of a loop."""
_NO_PLAN = "Temporal no longer has the plan."


@dataclass(slots=True)
class AftermathRecorder:
    """Looks at the workloads of observed incidents until it is clear what happened, at the latest after `horizon`."""

    rest: AsyncClient
    plans: PlanReader
    horizon: timedelta
    namespaces: tuple[str, ...] = ()
    _shown: dict[str, ShownPlan] = field(default_factory=dict)
    _well: set[str] = field(default_factory=set)  # uids of incidents whose workload was well without a change

    async def run(self) -> NoReturn:
        """Record until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_INTERVAL_SECONDS)
            try:
                await self.sweep()
            except Retryable as error:
                _log.info("what followed observed incidents is looked for later", reason=str(error))
            except Permanent as error:
                _log.error("cannot look for what followed observed incidents", error=str(error))

    async def sweep(self) -> None:
        """Look once at each of the workloads."""
        waiting = await self._waiting()
        uids = {incident.metadata.uid for incident in waiting}
        self._shown = {uid: shown for uid, shown in self._shown.items() if uid in uids}
        self._well &= uids
        for incident in waiting:
            try:
                await self._check(incident)
            except Permanent as error:
                _log.info("cannot look for an aftermath", incident=incident.metadata.name, error=str(error))
            await asyncio.sleep(_CHECK_INTERVAL_SECONDS)

    async def _waiting(self) -> list[IncidentView]:
        """The observed incidents with a plan whose aftermath is not noted yet."""
        return [
            incident
            for namespace in self.namespaces or ("",)
            async for incident in self.rest.each(paths.incidents(namespace), into=IncidentView)
            if incident.status.phase is Phase.DRY_RUN_DONE and incident.status.plan and not incident.status.aftermath
        ]

    async def _check(self, incident: IncidentView) -> None:
        shown = self._shown.get(incident.metadata.uid) or await self.plans.read(incident.metadata.uid)
        if shown is None:
            unknown = Aftermath(outcome=AftermathOutcome.NOT_KNOWN, message=_NO_PLAN, decided_at=clock.now())
            await self._note(incident, unknown)
            return
        self._shown[incident.metadata.uid] = shown
        observed = _observed(incident, shown, self.horizon)
        after = await self._read(incident, shown)
        if found := classify(observed, after):
            await self._note(incident, found)
        elif _is_well_unchanged(observed, after):
            self._well.add(incident.metadata.uid)

    async def _read(self, incident: IncidentView, shown: ShownPlan) -> Afterwards:
        """Read what the cluster remembers of the workload."""
        ref, meta = shown.step.action.target, incident.metadata
        try:
            raw = {"kind": ref.kind, **await self.rest.get(paths.workload(ref))}
        except NotFound:
            return Afterwards(clock.now(), None)
        earlier = await read_earlier(self.rest, ref)
        later = [one for one in earlier if one.metadata.creation_timestamp > meta.creation_timestamp]
        revisions = await self._controlled(_history(ref), raw, {raw["metadata"]["uid"]})
        owners = {raw["metadata"]["uid"], *(revision["metadata"]["uid"] for revision in revisions)}
        return Afterwards(
            read_at=clock.now(),
            workload=raw,
            revisions=revisions,
            pods=await self._controlled(paths.core(ref.namespace, "pods"), raw, owners),
            later=tuple(map(_later, later)),
            well_unchanged=meta.uid in self._well,
        )

    async def _controlled(self, path: str, raw: Object, owners: set[str]) -> tuple[Object, ...]:
        """The objects with a workload's labels that one of these owners controls."""
        selector = {"labelSelector": format_selector(selector_of(raw))}
        found = await self.rest.list(path, selector, into=Object)
        return tuple(item for item in found if (owner := controller_of(item)) is not None and owner.uid in owners)

    async def _note(self, incident: IncidentView, found: Aftermath) -> None:
        """Write to exactly the object that was read. If it was written to since, the next sweep decides again."""
        meta = incident.metadata
        patch = {"metadata": meta.preconditions, "status": {"aftermath": found.to_object()}}
        try:
            await self.rest.patch(f"{paths.incidents(meta.namespace, meta.name)}/status", patch, MERGE_PATCH)
        except (NotFound, Conflict):
            return
        _log.info("aftermath noted", namespace=meta.namespace, incident=meta.name, outcome=found.outcome.value)


def _observed(incident: IncidentView, shown: ShownPlan, horizon: timedelta) -> Observed:
    marks = incident.metadata.annotations
    return Observed(
        step=shown.step,
        kind=str(incident.spec.get("type", "")),
        since=shown.at,
        closed_at=incident.status.times.closed_at or shown.at,
        horizon=horizon,
        by_alert=bool(marks.opened_by_alert),
        resolved=parse_annotation_time(marks.alert_resolved_at),
        has_checks=shown.has_checks,
        stopped_by=shown.stopped_by,
    )


def _later(incident: IncidentView) -> LaterIncident:
    """The incident with the time of its fault: it may be opened when that is over already, after its grace period."""
    meta = incident.metadata
    fault_at = parse_annotation_time(meta.annotations.fault_at) or meta.creation_timestamp
    return LaterIncident(fault_at, str(incident.spec.get("type", "")))


def _history(ref: WorkloadRef) -> str:
    """The path of the revisions that the workload's controller keeps."""
    is_deployment = ref.kind == "Deployment"
    return paths.collection("ReplicaSet", ref.namespace) if is_deployment else paths.snapshots(ref.namespace)


def _is_well_unchanged(observed: Observed, after: Afterwards) -> bool:
    """Report whether the workload has been well for a while without a change."""
    if after.workload is None or find_change(observed.step.action, observed.since, after).kind is not ChangeKind.NONE:
        return False
    since = read_health(after, changed=False).since
    return since is not None and after.read_at - since >= _WELL
