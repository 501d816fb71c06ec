"""Record which templates of a workload were available and stable, beyond the revisions that ReplicaSets keep.

Availability alone proves little: a container without a probe is "available" in the second before it crashes. So a
template is recorded only once all its pods have been ready for the whole soak time, without a restart.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple, NoReturn

import structlog

from prunella_operator import clock
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
from prunella_workflows.model.labels import AFTER, BEFORE, GOOD_AT, SNAPSHOT
from prunella_workflows.model.workload import PodView, WorkloadView, is_protected_namespace

_log = structlog.get_logger("prunella.known_good")

_POLL_INTERVAL_SECONDS = 1.0
_RETRY_INTERVAL_SECONDS = 5.0
_FORBIDDEN_RETRY_INTERVAL_SECONDS = 1800.0  # a namespace may opt in without a rollout
_REFRESH_INTERVAL = timedelta(minutes=10)
_MAX_SNAPSHOTS = 10  # of one workload
_IMMUTABLE = "immutable"  # the API server's word for a patch that changes the data
_SOAK_AFTER_REPAIR_SECONDS = 300.0  # more than a usual verification
_SOAK_AFTER_CRASH_SECONDS = 600.0  # as the kubelet's memory: what dies every few minutes is ready in between


class Rollout(NamedTuple):
    """A completed rollout, observed for its soak time."""

    kind: str
    namespace: str
    name: str
    uid: str
    generation: int
    due: float


@dataclass(slots=True)
class KnownGoodRecorder:
    """Records known-good templates as snapshots. `soak` is in seconds."""

    rest: AsyncClient
    soak: float
    protected: tuple[str, ...] = ()
    _rollouts: dict[str, Rollout] = field(default_factory=dict)

    def schedule(self, kind: str, namespace: str, name: str, uid: str, generation: int) -> None:
        """Check a workload after the soak time; its rollout has just completed."""
        if not is_protected_namespace(namespace, self.protected):
            due = clock.monotonic() + self.soak
            self._rollouts[uid] = Rollout(kind, namespace, name, uid, generation, due)

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
        raw = await self.rest.get(f"{paths.collection(rollout.kind, rollout.namespace)}/{rollout.name}")
        raw.setdefault("kind", rollout.kind)
        view = workload_view(raw)
        if raw["metadata"]["uid"] != rollout.uid or not view.complete or not view.replicas or view.deleting:
            return  # it is scheduled again when it is complete
        if is_ignored(raw) or is_ignored(await self.rest.get(f"/api/v1/namespaces/{rollout.namespace}")):
            return
        wait = _remaining_soak(await self._pods(raw, view), await self._required_soak(raw, view), clock.now())
        if wait is None:
            self._reschedule(rollout, self.soak)
        elif wait > 0:
            self._reschedule(rollout, wait)
        else:
            await self._record(raw, view)

    async def _required_soak(self, raw: Object, view: WorkloadView) -> float:
        """Seconds for which the template must have run well. One that follows another must also have outlived its own
        liveness probes: a wrong probe kills it only then. One that a repair left is no release: it has to prove more.
        """
        snapshots = await self._snapshots(view)
        suffix = f"-{view.template_hash}"
        if any(_good_at(snapshot) and snapshot["metadata"]["name"].endswith(suffix) for snapshot in snapshots):
            return self.soak
        repaired = (raw["metadata"].get("annotations") or {}).get(AFTER) == view.template_hash
        probes = liveness_kill_after(template_of(raw)) if snapshots else 0.0
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

    async def _refresh(self, view: WorkloadView, body: Object, now: datetime) -> None:
        """Mark a template that was recorded before as good again, and as the newest again."""
        name = body["metadata"]["name"]
        good = {snapshot["metadata"]["name"]: _good_at(snapshot) for snapshot in await self._snapshots(view)}
        mine = good.get(name)
        others = [at for other, at in good.items() if other != name and at is not None]
        if mine is None or now - mine > _REFRESH_INTERVAL or max(others, default=mine) > mine:
            await self._mark_good(view, body, now)

    async def _mark_good(self, view: WorkloadView, body: Object, now: datetime) -> None:
        """Label and annotate a snapshot as good. A worker's is replaced: a patch would lose the blanks of its data."""
        path = paths.snapshots(view.ref.namespace, body["metadata"]["name"])
        patch = {"metadata": {"annotations": {GOOD_AT: now.isoformat()}, "labels": {SNAPSHOT: revisions.KNOWN_GOOD}}}
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


def _remaining_soak(pods: tuple[PodView, ...], soak: float, now: datetime) -> float | None:
    """Seconds until the pods were stable for long enough, longer after a crash; 0 if so; None when one is not ready."""
    live = [pod for pod in pods if pod.live]
    if not live or not all(pod.ready and pod.ready_since for pod in live):
        return None
    crashes = [
        termination.finished_at
        for pod in live
        for container in pod.containers
        if not container.init
        for termination in container.terminations
    ]
    waits = [soak - (now - pod.ready_since).total_seconds() for pod in live if pod.ready_since]
    waits += [max(soak, _SOAK_AFTER_CRASH_SECONDS) - (now - at).total_seconds() for at in crashes if at]
    return max(0.0, *waits)
