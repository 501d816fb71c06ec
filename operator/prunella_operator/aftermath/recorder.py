"""Note on observed Incidents what happened afterwards, before the cluster forgets it. Only the leader does it.

It writes once per Incident, into its status; nothing is written while an Incident is open. What a look finds is final:
an Incident is not looked at again, even if its status does not show it.
"""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import NoReturn

import structlog

from prunella_operator import clock
from prunella_operator.aftermath.case import Afterwards, Observed
from prunella_operator.aftermath.change import ChangeKind, find_change
from prunella_operator.aftermath.classifier import classify, read_health
from prunella_operator.aftermath.looks import Looks
from prunella_operator.aftermath.plans import PlanReader, ShownPlan
from prunella_operator.incidents.sweeping import sweep_regularly
from prunella_operator.incidents.view import IncidentView
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import MERGE_PATCH
from prunella_operator.kubernetes.async_client import AsyncClient
from prunella_operator.kubernetes.times import parse_annotation_time
from prunella_operator.kubernetes.track_records import WatchedTrackRecords
from prunella_workflows.decisions.autonomy.trials import trial_of_plan
from prunella_workflows.model.aftermath import Aftermath, AftermathOutcome
from prunella_workflows.model.autonomy import Trial
from prunella_workflows.model.errors import Conflict, InvalidIncident, NotFound, Permanent, PrunellaError
from prunella_workflows.model.incident_status import Phase

_NAME = "prunella.aftermath"
_log = structlog.get_logger(_NAME)

SWEEP_INTERVAL_SECONDS = 300.0
_CHECK_INTERVAL_SECONDS = 0.05  # leaves the API server to more urgent requests
_WELL = timedelta(minutes=10)
"""Longer than the pause between two crashes of a loop."""
_NO_PLAN = (
    "Temporal no longer has the plan of this incident. Keep closed workflows for longer than aftermath_hours, "
    "and the next ones will be judged."
)
_UNREADABLE = (
    "The plan of this incident is of another version of Prunella: {error}. Incidents of this version are judged."
)
_UNREAD = (
    "What followed cannot be read: {error}. Permit the operator to read it, and the next incidents will be judged."
)


@dataclass(slots=True)
class AftermathRecorder:
    """Looks at the workloads of observed incidents until it is clear what happened, at the latest after `horizon`."""

    rest: AsyncClient
    plans: PlanReader
    horizon: timedelta
    records: WatchedTrackRecords
    namespaces: tuple[str, ...] = ()
    _decided: set[str] = field(default_factory=set)  # uids of incidents that are not looked at again
    _shown: dict[str, ShownPlan] = field(default_factory=dict)
    _well: set[str] = field(default_factory=set)  # uids of incidents whose workload was well without a change

    async def run(self) -> NoReturn:
        """Record until cancelled."""
        later, failed = "observed incidents are looked at later", "cannot look for what followed observed incidents"
        await asyncio.sleep(SWEEP_INTERVAL_SECONDS)
        await sweep_regularly(self.sweep, SWEEP_INTERVAL_SECONDS, _NAME, later=later, failed=failed)

    async def sweep(self) -> None:
        """Look once at each of the workloads."""
        undecided, looks = await self._undecided(), Looks(self.rest)
        uids = {incident.metadata.uid for incident in undecided}
        self._shown = {uid: shown for uid, shown in self._shown.items() if uid in uids}
        self._well &= uids
        self._decided &= uids
        for incident in undecided:
            if incident.metadata.uid not in self._decided:
                await self._try(incident, looks)
                await asyncio.sleep(_CHECK_INTERVAL_SECONDS)

    async def _try(self, incident: IncidentView, looks: Looks) -> None:
        """Look at one. Its error must not keep the others from being looked at."""
        try:
            await self._check(incident, looks)
        except PrunellaError as error:
            meta = incident.metadata
            text = "what followed an incident could not be looked at; the next sweep tries again"
            _log.info(text, namespace=meta.namespace, incident=meta.name, error=str(error))

    async def _undecided(self) -> list[IncidentView]:
        """The observed incidents with a plan whose aftermath is not noted yet."""
        return [
            incident
            for namespace in self.namespaces or ("",)
            async for incident in self.rest.each(paths.incidents(namespace), into=IncidentView)
            if incident.status.phase is Phase.DRY_RUN_DONE and incident.status.plan and not incident.status.aftermath
        ]

    async def _check(self, incident: IncidentView, looks: Looks) -> None:
        try:
            shown = self._shown.get(incident.metadata.uid) or await self.plans.read(incident.metadata.uid)
        except InvalidIncident as error:
            await self._note(incident, _not_known(_UNREADABLE.format(error=error)))
            return
        if shown is None:
            await self._note(incident, _not_known(_NO_PLAN))
            return
        self._shown[incident.metadata.uid] = shown
        await self._judge(incident, _observed(incident, shown, self.horizon), looks)

    async def _judge(self, incident: IncidentView, observed: Observed, looks: Looks) -> None:
        """Note the aftermath if it is clear. What may not be read is not known at the end of the time."""
        try:
            after = await looks.after(incident, observed.step.action.target)
        except Permanent as error:
            if clock.now() < observed.deadline:
                raise
            await self._note(incident, _not_known(_UNREAD.format(error=error)))
            return
        after = replace(after, well_unchanged=incident.metadata.uid in self._well)
        if found := classify(observed, after):
            await self._count(incident, observed, after)
            await self._note(incident, found)
        elif _is_well_unchanged(observed, after):
            self._well.add(incident.metadata.uid)

    async def _count(self, incident: IncidentView, observed: Observed, after: Afterwards) -> None:
        """Add the plan to the track record, where autonomy must be earned. Without the permission it is logged.

        Others who write meanwhile delay the note.
        """
        trial, action = _trial(incident, observed, after), observed.step.action
        if incident.status.autonomy is None or trial is None:
            return
        try:
            await self.records.add(action.target.model_copy(update={"uid": action.require.uid}), trial)
        except Permanent as error:
            meta = incident.metadata
            text = "cannot write a track record"
            _log.error(text, namespace=meta.namespace, incident=meta.name, error=str(error))

    async def _note(self, incident: IncidentView, found: Aftermath) -> None:
        """Write to exactly the object that was read. If it was written to since, the next sweep decides again."""
        meta = incident.metadata
        patch = {"metadata": meta.preconditions, "status": {"aftermath": found.to_object()}}
        try:
            await self.rest.patch(f"{paths.incidents(meta.namespace, meta.name)}/status", patch, MERGE_PATCH)
        except (NotFound, Conflict):
            return
        self._decided.add(meta.uid)
        _log.info("aftermath noted", namespace=meta.namespace, incident=meta.name, outcome=found.outcome.value)


def _trial(incident: IncidentView, observed: Observed, after: Afterwards) -> Trial | None:
    """The trial of the plan. That a person would have been asked first says nothing about it.

    Nor does what became of a successor of the same name.
    """
    action = observed.step.action
    if after.workload is None or after.workload["metadata"]["uid"] != action.require.uid:
        return None
    found = classify(replace(observed, asked_by=""), after)
    return trial_of_plan(incident.metadata.name, action.kind, found) if found is not None else None


def _not_known(message: str) -> Aftermath:
    return Aftermath(outcome=AftermathOutcome.NOT_KNOWN, message=message, decided_at=clock.now())


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
        asked_by=shown.asked_by,
    )


def _is_well_unchanged(observed: Observed, after: Afterwards) -> bool:
    """Report whether the workload has been well for a while without a change."""
    if after.workload is None or find_change(observed.step.action, observed.since, after).kind is not ChangeKind.NONE:
        return False
    since = read_health(after, changed=False).since
    return since is not None and after.read_at - since >= _WELL
