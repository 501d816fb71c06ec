"""Record which templates of a workload were available and stable, beyond the revisions that ReplicaSets keep.

Availability alone proves little: a container without a probe is "available" in the second before it crashes. So a
template is good only once most of its pods have been ready for the whole soak time, without a restart. The cluster
keeps these times, so that a restart of the operator loses none. While an incident of the workload is open, none is
good: pods may be ready and fail requests. Until a workload has a good template, one whose pods are ready for some
seconds is recorded as such: better a doubtful template to go back to than none.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple, NoReturn

import structlog

from prunella_operator import clock
from prunella_operator.incidents.earlier import read_earlier
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import MERGE_PATCH, Object
from prunella_operator.kubernetes.async_client import AsyncClient
from prunella_operator.kubernetes.request import AlreadyExists
from prunella_operator.kubernetes.selectors import format_selector, selector_of
from prunella_operator.kubernetes.times import parse_annotation_time, parse_time
from prunella_operator.kubernetes.views import revisions
from prunella_operator.kubernetes.views.pods import pod_view
from prunella_operator.kubernetes.views.probes import liveness_kill_after
from prunella_operator.kubernetes.views.templates import template_of
from prunella_operator.kubernetes.views.workloads import is_ignored, workload_view
from prunella_workflows.model.errors import Forbidden, NotFound, Permanent, Refused, Retryable
from prunella_workflows.model.labels import AFTER, BEFORE, GOOD_AT, READY_FOR, SNAPSHOT, WORKLOAD_UID
from prunella_workflows.model.workload import PodView, WorkloadView, is_protected_namespace

_log = structlog.get_logger("prunella.known_good")

_POLL_INTERVAL_SECONDS = 1.0
_RETRY_INTERVAL_SECONDS = 5.0
_OPEN_INCIDENT_INTERVAL_SECONDS = 600.0
"""While an incident is open. Its end is heard of at once, by `reconsider`; this is for one that was missed."""
_FORBIDDEN_RETRY_INTERVAL_SECONDS = 1800.0  # a namespace may opt in without a rollout
_REFRESH_INTERVAL = timedelta(minutes=10)
_MAX_SNAPSHOTS = 10  # of one workload
_IMMUTABLE = "immutable"  # the API server's word for a patch that changes the data
_SOAK_AFTER_REPAIR_SECONDS = 300.0  # more than a usual verification
_SOAK_AFTER_CRASH_SECONDS = 600.0  # as the kubelet's memory: what dies every few minutes is ready in between


class Rollout(NamedTuple):
    """A completed rollout, and when to look at its pods; `blocked` while an open incident decides that."""

    kind: str
    namespace: str
    name: str
    uid: str
    due: float
    blocked: bool = False


@dataclass(slots=True)
class KnownGoodRecorder:
    """Records known-good templates as snapshots. `soak` is in seconds."""

    rest: AsyncClient
    soak: float
    protected: tuple[str, ...] = ()
    _rollouts: dict[str, Rollout] = field(default_factory=dict)
    _ended: Counter[str] = field(default_factory=Counter)
    """The number of incidents that have ended, by namespace: one may end while a rollout is being checked."""

    def schedule(self, kind: str, namespace: str, name: str, uid: str, just_completed: bool) -> None:
        """Check a workload whose rollout is complete: at once, if it was so before this process began to watch."""
        if not is_protected_namespace(namespace, self.protected):
            wait = min(self.soak, revisions.MIN_READY.total_seconds()) if just_completed else 0.0
            self._rollouts[uid] = Rollout(kind, namespace, name, uid, clock.monotonic() + wait)

    def reconsider(self, namespace: str) -> None:
        """Check what waits for the end of an incident in this namespace, because one has ended."""
        self._ended[namespace] += 1
        for uid, rollout in self._rollouts.items():
            if rollout.blocked and rollout.namespace == namespace:
                self._rollouts[uid] = rollout._replace(due=clock.monotonic(), blocked=False)

    async def run(self) -> NoReturn:
        """Record until cancelled."""
        while True:
            now = clock.monotonic()
            for rollout in [rollout for rollout in self._rollouts.values() if rollout.due <= now]:
                del self._rollouts[rollout.uid]
                await self._try(rollout)
            await asyncio.sleep(_POLL_INTERVAL_SECONDS)

    async def _try(self, rollout: Rollout) -> None:
        try:
            await self._check(rollout)
        except NotFound:
            return
        except Retryable as error:
            _log.info("cannot check a rollout yet", workload=rollout.name, error=str(error))
            self._reschedule(rollout, _RETRY_INTERVAL_SECONDS)
        except Forbidden as error:
            _log.debug("no permission to record templates in this namespace", workload=rollout.name, error=str(error))
            self._reschedule(rollout, _FORBIDDEN_RETRY_INTERVAL_SECONDS)
        except Permanent as error:
            _log.warning("cannot record a known-good revision", workload=rollout.name, error=str(error))

    def _reschedule(self, rollout: Rollout, seconds: float) -> None:
        """Check again, unless a newer rollout was scheduled since."""
        self._rollouts.setdefault(rollout.uid, rollout._replace(due=clock.monotonic() + seconds))

    async def _check(self, rollout: Rollout) -> None:
        ended = self._ended[rollout.namespace]
        raw = await self.rest.get(f"{paths.collection(rollout.kind, rollout.namespace)}/{rollout.name}")
        raw.setdefault("kind", rollout.kind)
        view = workload_view(raw)
        if raw["metadata"]["uid"] != rollout.uid or not _is_rolled_out(view) or view.deleting:
            return  # it is scheduled again when it is complete
        if is_ignored(raw) or is_ignored(await self.rest.get(f"/api/v1/namespaces/{rollout.namespace}")):
            return
        pods, snapshots = await self._pods(raw, view), await self._snapshots(view)
        wait = _remaining_soak(pods, view.replicas, self._required_soak(raw, view, snapshots), clock.now())
        blocked = wait == 0 and await self._has_open_incident(view)
        if wait == 0 and not blocked:
            await self._record(raw, view)
            return
        if blocked:
            wait = _OPEN_INCIDENT_INTERVAL_SECONDS if self._ended[rollout.namespace] == ended else 0.0
        else:
            wait = wait or self.soak
        if not any(_owner(snapshot) == rollout.uid for snapshot in snapshots):
            hint = _remaining_soak(pods, view.replicas, revisions.MIN_READY.total_seconds(), clock.now())
            if hint == 0:
                await self._record_hint(raw, view)
            wait = min(wait, hint or wait)
        self._reschedule(rollout._replace(blocked=blocked), wait)

    async def _has_open_incident(self, view: WorkloadView) -> bool:
        """Check whether the workload is suspected of a fault, which ready pods do not exclude."""
        return any(not incident.closed for incident in await read_earlier(self.rest, view.ref))

    def _required_soak(self, raw: Object, view: WorkloadView, snapshots: Sequence[Object]) -> float:
        """Seconds for which the template must have run well. One that follows another must also have outlived its own
        liveness probes: a wrong probe kills it only then. One that a repair left is no release: it has to prove more.
        """
        known = [snapshot["metadata"]["name"] for snapshot in snapshots if _good_at(snapshot)]
        if any(name.endswith(f"-{view.template_hash}") for name in known):
            return self.soak
        repaired = (raw["metadata"].get("annotations") or {}).get(AFTER) == view.template_hash
        probes = liveness_kill_after(template_of(raw)) if known else 0.0
        return max(self.soak, probes, _SOAK_AFTER_REPAIR_SECONDS if repaired else 0.0)

    async def _pods(self, raw: Object, view: WorkloadView) -> tuple[PodView, ...]:
        selector = {"labelSelector": format_selector(selector_of(raw))}
        found = await self.rest.list(paths.core(view.ref.namespace, "pods"), selector, into=Object)
        return tuple(pod for pod in map(pod_view, found) if pod.revision)

    async def _record(self, raw: Object, view: WorkloadView) -> None:
        now = clock.now()
        body = revisions.snapshot(raw, view.ref, revisions.KNOWN_GOOD, good_at=now)
        try:
            await self.rest.create(paths.snapshots(view.ref.namespace), body)
        except AlreadyExists:
            await self._refresh(view, body, now)
        else:
            _log.info("known-good revision recorded", namespace=view.ref.namespace, target=str(view.ref))
            await self._prune(raw, view)

    async def _record_hint(self, raw: Object, view: WorkloadView) -> None:
        """Record a template that is only just ready; it becomes good if it lasts."""
        ready_for = revisions.MIN_READY.total_seconds()
        body = revisions.snapshot(raw, view.ref, revisions.READY, ready_for=ready_for)
        with suppress(AlreadyExists):
            await self.rest.create(paths.snapshots(view.ref.namespace), body)

    async def _refresh(self, view: WorkloadView, body: Object, now: datetime) -> None:
        """Mark a template that was recorded before as good again, as the newest again, and as this workload's own."""
        name, kept = body["metadata"]["name"], await self._snapshots(view)
        good = {snapshot["metadata"]["name"]: _good_at(snapshot) for snapshot in kept}
        mine, owners = good.get(name), {snapshot["metadata"]["name"]: _owner(snapshot) for snapshot in kept}
        others = [at for other, at in good.items() if other != name and at is not None]
        is_stale = mine is None or now - mine > _REFRESH_INTERVAL or max(others, default=mine) > mine
        if is_stale or owners.get(name) != _owner(body):
            await self._mark_good(view, body, now)

    async def _mark_good(self, view: WorkloadView, body: Object, now: datetime) -> None:
        """Label and annotate a snapshot as good. A worker's is replaced: a patch would lose the blanks of its data."""
        path = paths.snapshots(view.ref.namespace, body["metadata"]["name"])
        annotations = {GOOD_AT: now.isoformat(), WORKLOAD_UID: _owner(body), READY_FOR: None}
        patch = {"metadata": {"annotations": annotations, "labels": {SNAPSHOT: revisions.KNOWN_GOOD}}}
        try:
            await self.rest.patch(path, patch, MERGE_PATCH)
        except Refused as error:
            if _IMMUTABLE not in str(error):
                raise
            found = (await self.rest.get(path))["metadata"]
            await self.rest.delete(path, {"uid": found["uid"], "resourceVersion": found["resourceVersion"]})
            await self.rest.create(paths.snapshots(view.ref.namespace), body)

    async def _prune(self, raw: Object, view: WorkloadView) -> None:
        """Keep the newest snapshots of each workload, and the one with which the latest repair may be undone."""
        newest = sorted(await self._snapshots(view), key=_recorded_at, reverse=True)
        needed = (raw["metadata"].get("annotations") or {}).get(BEFORE)
        for snapshot in newest[_MAX_SNAPSHOTS:]:
            if snapshot["metadata"]["name"] != needed:
                await self.rest.delete(paths.snapshots(view.ref.namespace, snapshot["metadata"]["name"]))

    async def _snapshots(self, view: WorkloadView) -> tuple[Object, ...]:
        selector = {"labelSelector": revisions.snapshot_selector(view.ref)}
        return await self.rest.list(paths.snapshots(view.ref.namespace), selector, into=Object)


def _good_at(raw: Object) -> datetime | None:
    return parse_annotation_time((raw["metadata"].get("annotations") or {}).get(GOOD_AT))


def _recorded_at(raw: Object) -> datetime:
    since = _good_at(raw) or parse_time(raw["metadata"]["creationTimestamp"])
    assert since is not None
    return since


def _owner(raw: Object) -> str:
    """The uid of the workload whose template it is."""
    return str((raw["metadata"].get("annotations") or {}).get(WORKLOAD_UID, ""))


def _is_rolled_out(view: WorkloadView) -> bool:
    """True if every pod is of the current revision, and most of them are available."""
    counts = {view.updated_replicas, view.total_replicas}
    is_observed = view.observed_generation >= view.generation
    return is_observed and counts == {view.replicas} and 2 * view.available_replicas > view.replicas


def _remaining_soak(pods: tuple[PodView, ...], wanted: int, soak: float, now: datetime) -> float | None:
    """Seconds until most pods were stable for long enough; 0 if they were; None while most are not ready."""
    ready = [pod for pod in pods if pod.live and pod.ready and pod.ready_since]
    own = sorted(_remaining_soak_of(pod, soak, now) for pod in ready)
    lost = _remaining_after_evictions(pods, {pod.revision for pod in ready}, soak, now)[: len(own)]
    waits = sorted([*own[: len(own) - len(lost)], *lost])
    return max(0.0, waits[wanted // 2]) if 2 * len(waits) > wanted else None


def _remaining_after_evictions(
    pods: tuple[PodView, ...], revisions: set[str], soak: float, now: datetime
) -> list[float]:
    """Seconds until the recent evictions of these revisions no longer count, longest first. Each one's replacement, the
    youngest of the pods, has proven as little as a pod that crashed then.
    """
    ends = [pod.evicted_at for pod in pods if pod.evicted_at is not None and pod.revision in revisions]
    waits = [max(soak, _SOAK_AFTER_CRASH_SECONDS) - (now - at).total_seconds() for at in ends]
    return sorted((wait for wait in waits if wait > 0), reverse=True)


def _remaining_soak_of(pod: PodView, soak: float, now: datetime) -> float:
    """Seconds until a ready pod was stable for long enough, which is longer after a crash; negative if it was."""
    ends = [end.finished_at for status in pod.containers if not status.init for end in status.terminations]
    assert pod.ready_since
    waits = [soak - (now - pod.ready_since).total_seconds()]
    waits += [max(soak, _SOAK_AFTER_CRASH_SECONDS) - (now - at).total_seconds() for at in ends if at]
    return max(waits)
