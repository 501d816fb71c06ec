"""Intake: turns Signals into Incidents, once each.

An Incident's name is derived from the workload and the incident before it, so that a restart or a second replica
creates it once. A signal of a workload whose incident is open joins it; so does one of a fault that was handed to a
person and still goes on. Nothing waits anywhere but here until the API server has it, and a lost process loses
nothing: after a restart the sources report everything that is unhealthy again.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import NoReturn

import structlog

from prunella_operator import clock
from prunella_operator.incidents.deduplication import (
    REOPEN_WINDOW,
    earlier_selectors,
    fault_fingerprint,
    find_covering_incident,
    new_incident,
    phase_of,
    predates_repair,
    targets_workload,
)
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.async_client import AsyncClient
from prunella_operator.kubernetes.request import AlreadyExists
from prunella_operator.kubernetes.views.workloads import controller_of, ignored, is_workload
from prunella_operator.observability import metrics, tracing
from prunella_workflows.model.errors import NotFound, Permanent, Retryable
from prunella_workflows.model.signal import Signal
from prunella_workflows.model.workload import WorkloadRef

_log = structlog.get_logger("prunella.intake")

_WORKERS = 8
_REMEMBERED = 1000  # workloads; then those that have been quiet for long are forgotten
_BACKOFF = (0.2, 5.0)
# What the API server has at hand. To be sure of the latest it asks etcd first, which takes it up to a tenth of a second
# while others write; and a policy that was changed so lately only makes the same fault count as another one.
_CACHED = {"resourceVersion": "0"}
_VERSIONS = {"Pod": "v1", "Job": "batch/v1"}


@dataclass(slots=True)
class Intake:
    """Accepts signals at once and opens incidents in the background. Use `run` in the same event loop."""

    rest: AsyncClient
    protected: tuple[str, ...] = ()
    _queue: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    _waiting: dict[str, Signal] = field(default_factory=dict)
    _busy: set[str] = field(default_factory=set)
    _seen: dict[str, datetime] = field(default_factory=dict)

    def accept(self, signal: Signal) -> None:
        """Take a signal. Signals of one owner that wait together are one: the first one's story is told."""
        if signal.ignored or self._is_protected(signal.namespace):
            self._count(signal, "ignored")
            return
        key = signal.owner.uid if signal.owner else signal.uid
        if key in self._waiting:
            self._count(signal, "joined")
            return
        self._waiting[key] = signal
        if key not in self._busy:  # one at a time per workload: the second must see the first one's incident
            self._queue.put_nowait(key)

    @property
    def backlog(self) -> int:
        """Signals whose incident is not in the API yet."""
        return len(self._waiting) + len(self._busy)

    async def run(self) -> NoReturn:
        """Open incidents until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(_WORKERS):
                group.create_task(self._work())
        raise AssertionError("workers end by cancellation only")

    async def _work(self) -> NoReturn:
        while True:
            key = await self._queue.get()
            self._busy.add(key)
            try:
                await self._until_stored(self._waiting.pop(key))
            finally:
                self._busy.discard(key)
                if key in self._waiting:
                    self._queue.put_nowait(key)

    async def _until_stored(self, signal: Signal) -> None:
        pause = _BACKOFF[0]
        while True:
            try:
                self._count(signal, await self.open(signal))
            except Retryable as error:
                _log.warning("cannot store an incident yet", signal=signal.name, error=str(error), again_in=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _BACKOFF[1])
            except Permanent as error:
                self._count(signal, "refused")
                _log.error("an incident cannot be stored", signal=signal.name, error=str(error))
                return
            else:
                return

    async def open(self, signal: Signal) -> str:
        """Open the incident of a signal unless one covers it; says what became of the signal."""
        place = self.rest.get(f"/api/v1/namespaces/{signal.namespace}")
        try:
            namespace, (target, raw, earlier) = await asyncio.gather(place, self._top_owner(signal))
        except NotFound:
            return "gone"  # the object vanished meanwhile, and its fault with it
        if ignored(raw) or ignored(namespace):
            return "ignored"
        fault = fault_fingerprint(target, raw, namespace, await self._policies(earlier, signal.namespace))
        if predates_repair(signal.fault_at, earlier) or not self._is_new(target, fault, earlier):
            return "joined"
        facts = {"prunella.source": signal.source, "prunella.target": str(target), "prunella.fault": signal.reason}
        try:
            with tracing.span("incident:open", facts, started=signal.observed_at):
                incident = new_incident(signal, target, fault, earlier)
                await self.rest.create(paths.incidents(signal.namespace), incident)
                delay = (clock.now() - signal.observed_at).total_seconds()
                metrics.OPENING.observe(max(0.0, delay), tracing.exemplar())
        except AlreadyExists:
            return "joined"
        _log.info("incident opened", namespace=signal.namespace, target=str(target), fault=signal.reason)
        return "opened"

    async def _policies(self, earlier: list[Object], namespace: str) -> list[Object]:
        """What may be done here. Nobody needs to know while an incident is open: the signal joins it anyway."""
        if any(not phase_of(one).closed for one in earlier):
            return []
        wanted = (paths.policies(), paths.policies(namespace))
        wide, own = await asyncio.gather(*(self.rest.list(path, _CACHED, into=Object) for path in wanted))
        return [*wide, *own]

    def _is_new(self, target: WorkloadRef, fault: str, earlier: list[Object]) -> bool:
        """False while an incident is open, or while a fault that nobody mended yet goes on showing itself."""
        now, seen = clock.now(), self._seen.get(target.uid)
        covered = find_covering_incident(earlier, fault, seen, now) is not None
        if all(phase_of(one).closed for one in earlier):
            self._remember(target.uid, now)
        return not covered

    def _remember(self, uid: str, now: datetime) -> None:
        self._seen[uid] = now
        if len(self._seen) > _REMEMBERED:
            self._seen = {uid: seen for uid, seen in self._seen.items() if now - seen <= REOPEN_WINDOW}

    async def _earlier(self, target: WorkloadRef) -> list[Object]:
        """The workload's incidents: those that we opened, and those that people opened to have it healed."""
        path = paths.incidents(target.namespace)
        ours, others = await asyncio.gather(
            *(self.rest.list(path, {"labelSelector": selector}, into=Object) for selector in earlier_selectors(target))
        )
        return [*ours, *(other for other in others if targets_workload(other, target))]

    async def _top_owner(self, signal: Signal) -> tuple[WorkloadRef, Object, list[Object]]:
        """The workload at the top of the owners that we know, with its incidents; a pod may stand for itself."""
        ref = WorkloadRef(
            api_version=_VERSIONS.get(signal.kind, "apps/v1"),
            kind=signal.kind,
            namespace=signal.namespace,
            name=signal.name,
            uid=signal.uid,
        )
        owner = signal.owner
        found: tuple[Object, list[Object]] | None = None
        while owner is not None and is_workload(owner):
            ref = WorkloadRef(
                api_version=owner.api_version,
                kind=owner.kind,
                namespace=signal.namespace,
                name=owner.name,
                uid=owner.uid,
            )
            found = await self._read(ref)
            owner = controller_of(found[0])
        return (ref, *(found if found is not None else await self._read(ref)))

    async def _read(self, ref: WorkloadRef) -> tuple[Object, list[Object]]:
        """The object and its incidents, asked for at once. That a ReplicaSet is at the top is rare: it comes later."""
        if ref.kind == "ReplicaSet":
            raw = await self._object(ref)
            owner = controller_of(raw)
            return raw, [] if owner is not None and is_workload(owner) else await self._earlier(ref)
        raw, earlier = await asyncio.gather(self._object(ref), self._earlier(ref))
        return raw, earlier

    async def _object(self, ref: WorkloadRef) -> Object:
        raw = await self.rest.get(paths.workload(ref))
        raw.setdefault("kind", ref.kind)
        if raw["metadata"]["uid"] != ref.uid:
            raise NotFound(f"{ref} was deleted; another object bears its name now")
        return raw

    def _is_protected(self, namespace: str) -> bool:
        return namespace.startswith("kube-") or namespace in self.protected

    @staticmethod
    def _count(signal: Signal, outcome: str) -> None:
        metrics.SIGNALS.labels(signal.source, signal.type.value, outcome).inc()
