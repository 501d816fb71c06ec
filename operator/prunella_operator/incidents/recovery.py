"""Note on closed Incidents that their workload has recovered. Only the leader does it.

Until then every sighting of the fault belongs to the closed Incident, whatever process sees it: a restart of ours
reports and repairs nothing again. Afterwards the fault is a new one. The pods themselves remember how long they have
been well.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

import structlog

from prunella_operator import clock
from prunella_operator.incidents.deduplication import REOPEN_WINDOW
from prunella_operator.incidents.sweeping import sweep_regularly
from prunella_operator.incidents.view import IncidentHead
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import MERGE_PATCH, Object
from prunella_operator.kubernetes.async_client import AsyncClient
from prunella_operator.kubernetes.selectors import format_selector, selector_of
from prunella_operator.kubernetes.times import parse_time
from prunella_operator.kubernetes.views.jobs import job_like_view
from prunella_operator.kubernetes.views.pods import pod_view, stable_since
from prunella_operator.kubernetes.views.workloads import workload_view
from prunella_workflows.model.errors import Conflict, NotFound, Permanent
from prunella_workflows.model.labels import RECOVERED_AT

_NAME = "prunella.recovery"
_log = structlog.get_logger(_NAME)

SWEEP_INTERVAL_SECONDS = 300.0
_CHECK_INTERVAL_SECONDS = 0.05  # leaves the API server to more urgent requests
# Fields of the status of what runs to completion.
_LAST_SUCCESS = {"CronJob": "lastSuccessfulTime", "Job": "completionTime"}

Subject = tuple[str, str, str]
"""The namespace, kind and name of a workload."""


@dataclass(frozen=True, slots=True)
class RecoveryRecorder:
    """Looks at the workloads of unsolved closed incidents, in `namespaces` or in all."""

    rest: AsyncClient
    namespaces: tuple[str, ...] = ()

    async def run(self) -> NoReturn:
        """Record until cancelled."""
        later, failed = "recoveries are looked for later", "cannot look for recoveries"
        await sweep_regularly(self.sweep, SWEEP_INTERVAL_SECONDS, _NAME, later=later, failed=failed)

    async def sweep(self) -> None:
        """Look once at each of the workloads."""
        for subject, incidents in (await self._unsolved()).items():
            try:
                await self._check(subject, incidents)
            except Permanent as error:
                _log.info("cannot look for a recovery", target="/".join(subject), error=str(error))
            await asyncio.sleep(_CHECK_INTERVAL_SECONDS)

    async def _unsolved(self) -> dict[Subject, list[IncidentHead]]:
        found: dict[Subject, list[IncidentHead]] = defaultdict(list)
        for namespace in self.namespaces or ("",):
            async for incident in self.rest.each(paths.incidents(namespace), into=IncidentHead):
                kind, _, name = incident.status.target.partition("/")
                if incident.closed and not incident.is_over and incident.metadata.annotations.fault and name:
                    found[incident.metadata.namespace, kind, name].append(incident)
        return found

    async def _check(self, subject: Subject, incidents: Iterable[IncidentHead]) -> None:
        namespace, kind, name = subject
        raw = await self._get(f"{paths.collection(kind, namespace)}/{name}")
        well_since = await self._well_since({"kind": kind, **raw}) if raw is not None else None
        for incident in incidents:
            if raw is None or (well_since is not None and _has_recovered(incident, kind, well_since)):
                await self._note(incident)

    async def _get(self, path: str) -> Object | None:
        try:
            return await self.rest.get(path)
        except NotFound:
            return None

    async def _well_since(self, raw: Object) -> datetime | None:
        """The time from which on the workload has been well; None while it is not."""
        if raw["kind"] in _LAST_SUCCESS:
            return parse_time((raw.get("status") or {}).get(_LAST_SUCCESS[raw["kind"]]))
        if not job_like_view(raw, workload_view(raw)).settled:
            return None
        return stable_since([pod for pod in map(pod_view, await self._pods(raw)) if pod.live])

    async def _pods(self, raw: Object) -> Sequence[Object]:
        if raw["kind"] == "Pod":
            return [raw]
        selector = {"labelSelector": format_selector(selector_of(raw))}
        return await self.rest.list(paths.core(raw["metadata"]["namespace"], "pods"), selector, into=Object)

    async def _note(self, incident: IncidentHead) -> None:
        """Annotate exactly the object that was read. If it was written to since, the next sweep decides again."""
        meta = incident.metadata
        patch = {"metadata": {**meta.preconditions, "annotations": {RECOVERED_AT: clock.now().isoformat()}}}
        try:
            await self.rest.patch(paths.incidents(meta.namespace, meta.name), patch, MERGE_PATCH)
        except (NotFound, Conflict):
            return
        _log.info("the workload of a closed incident has recovered", namespace=meta.namespace, incident=meta.name)


def _has_recovered(incident: IncidentHead, kind: str, well_since: datetime) -> bool:
    """One success is enough of what runs to completion. Pods must last, because between two crashes they are well."""
    closed_at = incident.status.times.closed_at or incident.metadata.creation_timestamp
    if kind in _LAST_SUCCESS:
        return well_since > closed_at
    return clock.now() - max(well_since, closed_at) >= REOPEN_WINDOW
