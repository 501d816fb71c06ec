"""Historian: remembers which templates of a workload were seen available and stable, beyond the ReplicaSets' revisions.

Availability alone proves little: a container without a probe is "available" in the second before it crashes. So a
template is recorded only once its pods have all been ready for the whole soak time without a restart in it.
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
from prunella_operator.kubernetes.selectors import as_text, selector_of
from prunella_operator.kubernetes.views import revisions
from prunella_operator.kubernetes.views.probes import illness_shows
from prunella_operator.kubernetes.views.workloads import (
    ignored,
    noted_time,
    pod_view,
    template_of,
    time_of,
    workload_view,
)
from prunella_workflows.model import labels
from prunella_workflows.model.errors import Forbidden, NotFound, Permanent, Refused, Retryable
from prunella_workflows.model.workload import PodView, WorkloadView

_log = structlog.get_logger("prunella.historian")

_LOOK_EVERY = 1.0
_REFRESH_AFTER = timedelta(minutes=10)
_NOT_ALLOWED = 1800.0  # seconds; a namespace may opt in without a rollout
_KEEP = 10
_IMMUTABLE = "immutable"  # the API server's word on a patch that changes the data
_AFTER_A_REPAIR = 300.0  # seconds; more than a usual verification
_AFTER_A_CRASH = 600.0  # seconds; the kubelet forgets its back-off after as long


class Rollout(NamedTuple):
    """A rollout that has come to its end and is being watched for its soak time."""

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

    def settled(self, kind: str, namespace: str, name: str, uid: str, generation: int) -> None:
        """A workload is completely rolled out: look at it again after the soak time."""
        if namespace.startswith("kube-") or namespace in self.protected:
            return
        self._rollouts[uid] = Rollout(kind, namespace, name, uid, generation, clock.monotonic() + self.soak)

    async def run(self) -> NoReturn:
        """Record until cancelled."""
        while True:
            now = clock.monotonic()
            for rollout in [one for one in self._rollouts.values() if one.due <= now]:
                del self._rollouts[rollout.uid]
                await self._try(rollout)
            await asyncio.sleep(_LOOK_EVERY)

    async def _try(self, rollout: Rollout) -> None:
        try:
            await self._look(rollout)
        except NotFound:
            return
        except Retryable as error:
            _log.info("cannot look at a rollout yet", workload=rollout.name, error=str(error))
            self._later(rollout, 5.0)
        except Forbidden as error:
            _log.debug("templates of this namespace are not kept", workload=rollout.name, error=str(error))
            self._later(rollout, _NOT_ALLOWED)
        except Permanent as error:
            _log.warning("cannot record a known-good revision", workload=rollout.name, error=str(error))

    def _later(self, rollout: Rollout, seconds: float) -> None:
        """Look again, unless a newer rollout was told meanwhile."""
        self._rollouts.setdefault(rollout.uid, rollout._replace(due=clock.monotonic() + seconds))

    async def _look(self, rollout: Rollout) -> None:
        raw = await self.rest.get(f"{paths.collection(rollout.kind, rollout.namespace)}/{rollout.name}")
        raw.setdefault("kind", rollout.kind)
        view = workload_view(raw)
        if raw["metadata"]["uid"] != rollout.uid or not view.complete or not view.replicas or view.deleting:
            return  # it will be told again when it is complete
        if ignored(raw) or ignored(await self.rest.get(f"/api/v1/namespaces/{rollout.namespace}")):
            return
        wait = _still_to_wait(await self._pods(raw, view), await self._soak(raw, view), clock.now())
        if wait is None:
            self._later(rollout, self.soak)
        elif wait > 0:
            self._later(rollout, wait)
        else:
            await self._record(raw, view)

    async def _soak(self, raw: Object, view: WorkloadView) -> float:
        """Seconds that the template must have run well.

        One that follows another must have outlived its own liveness probes as well: a wrong one kills it only then, and
        it would be taken for good before. One that a repair of ours left is no release, so it has to prove more.
        """
        kept = await self._kept(view)
        if any(_good_at(one) and one["metadata"]["name"].endswith(f"-{view.template_hash}") for one in kept):
            return self.soak
        ours = (raw["metadata"].get("annotations") or {}).get(labels.AFTER) == view.template_hash
        return max(self.soak, illness_shows(template_of(raw)) if kept else 0.0, _AFTER_A_REPAIR if ours else 0.0)

    async def _pods(self, raw: Object, view: WorkloadView) -> tuple[PodView, ...]:
        selector = {"labelSelector": as_text(selector_of(raw))}
        found = await self.rest.list(paths.core(view.ref.namespace, "pods"), selector, into=Object)
        return tuple(pod for pod in map(pod_view, found) if pod.revision)

    async def _record(self, raw: Object, view: WorkloadView) -> None:
        now = clock.now()
        body = revisions.snapshot(raw, view.ref, revisions.KNOWN_GOOD, good_at=now)
        path = paths.snapshots(view.ref.namespace)
        try:
            await self.rest.create(path, body)
        except AlreadyExists:
            await self._refresh(view, body, now)
        else:
            _log.info("known-good revision recorded", namespace=view.ref.namespace, target=str(view.ref))
            await self._prune(raw, view)

    async def _refresh(self, view: WorkloadView, body: Object, now: datetime) -> None:
        """The template was kept before: it is good again, and newest again."""
        name = body["metadata"]["name"]
        good = {one["metadata"]["name"]: _good_at(one) for one in await self._kept(view)}
        mine = good.get(name)
        others = [at for other, at in good.items() if other != name and at is not None]
        if mine is None or now - mine > _REFRESH_AFTER or max(others, default=mine) > mine:
            marks = {
                "annotations": {labels.GOOD_AT: now.isoformat()},
                "labels": {labels.SNAPSHOT: revisions.KNOWN_GOOD},
            }
            await self._mark(view, body, {"metadata": marks})

    async def _mark(self, view: WorkloadView, body: Object, marks: Object) -> None:
        """Mark a snapshot as good. One that a worker wrote is replaced: the API server compares a ControllerRevision's
        data byte by byte, and what a patch makes of it has not the blanks that the worker's client wrote.
        """
        path = paths.snapshots(view.ref.namespace, body["metadata"]["name"])
        try:
            await self.rest.patch(path, marks, MERGE_PATCH)
        except Refused as error:
            if _IMMUTABLE not in str(error):
                raise
            found = (await self.rest.get(path))["metadata"]
            await self.rest.delete(path, {"uid": found["uid"], "resourceVersion": found["resourceVersion"]})
            await self.rest.create(paths.snapshots(view.ref.namespace), body)

    async def _prune(self, raw: Object, view: WorkloadView) -> None:
        """Keep the newest few snapshots of each workload, and the one that the latest repair may be undone with."""
        newest = sorted(await self._kept(view), key=_kept_since, reverse=True)
        needed = (raw["metadata"].get("annotations") or {}).get(labels.BEFORE)
        for one in newest[_KEEP:]:
            if one["metadata"]["name"] != needed:
                await self.rest.delete(paths.snapshots(view.ref.namespace, one["metadata"]["name"]))

    async def _kept(self, view: WorkloadView) -> tuple[Object, ...]:
        selector = {"labelSelector": revisions.snapshot_selector(view.ref)}
        return await self.rest.list(paths.snapshots(view.ref.namespace), selector, into=Object)


def _good_at(raw: Object) -> datetime | None:
    return noted_time((raw["metadata"].get("annotations") or {}).get(labels.GOOD_AT))


def _kept_since(raw: Object) -> datetime:
    since = _good_at(raw) or time_of(raw["metadata"]["creationTimestamp"])
    assert since is not None
    return since


def _still_to_wait(pods: tuple[PodView, ...], soak: float, now: datetime) -> float | None:
    """Seconds until the pods will have been stable for long enough; 0 when they have; None when one is not well.

    After a crash that takes longer: a program that dies every few minutes is ready in between.
    """
    live = [pod for pod in pods if pod.live]
    if not live or not all(pod.ready and pod.ready_since for pod in live):
        return None
    ends = [
        end.finished_at
        for pod in live
        for container in pod.containers
        if not container.init
        for end in container.terminations
    ]
    waits = [soak - (now - pod.ready_since).total_seconds() for pod in live if pod.ready_since]
    waits += [max(soak, _AFTER_A_CRASH) - (now - end).total_seconds() for end in ends if end]
    return max(0.0, *waits)
