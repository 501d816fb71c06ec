"""Intake: turns Signals into Incidents, once each.

An Incident's name is derived from the workload and the incident before it, so that a restart or a second replica
creates it once. A signal of a workload whose incident is open joins it; so does one of a fault that was handed to a
person and still goes on. Nothing waits anywhere but here until the API server has it, and a lost process loses
nothing: after a restart the sources report everything that is unhealthy again.
"""

import asyncio
import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NoReturn

import structlog

from prunella_operator import clock
from prunella_operator.cluster import paths
from prunella_operator.cluster.port import Object
from prunella_operator.cluster.rest import AlreadyExists, Rest
from prunella_operator.cluster.views import (
    controller_of,
    ignored,
    is_workload,
    template_hash,
    template_of,
    workload_key,
)
from prunella_operator.telemetry import metrics
from prunella_workflows.errors import NotFound, Permanent, Retryable
from prunella_workflows.guard import HEAL
from prunella_workflows.model.incident import IncidentType, Mode, Phase
from prunella_workflows.model.signal import Signal
from prunella_workflows.model.workload import WorkloadRef

_log = structlog.get_logger("prunella.intake")

STILL_THE_SAME = timedelta(minutes=30)
"""A fault that shows itself again within this time was never gone. The kubelet's back-off ends at 5 minutes."""

_FAULT = f"{paths.GROUP}/fault"
_WORKERS = 8
_REMEMBERED = 1000  # workloads; then those that have been quiet for long are forgotten
_BACKOFF = (0.2, 5.0)
_SETTLED = frozenset({Phase.HEALED, Phase.RECOVERED})


@dataclass(slots=True)
class Intake:
    """Accepts signals at once and opens incidents in the background. Use `run` in the same event loop."""

    rest: Rest
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
        try:
            target, raw = await self._top_owner(signal)
        except NotFound:
            return "gone"  # the object vanished meanwhile, and its fault with it
        namespace = await self.rest.get(f"/api/v1/namespaces/{signal.namespace}")
        if ignored(raw) or ignored(namespace):
            return "ignored"
        fault = _fault_key(target, raw, namespace)
        earlier = await self._earlier(target)
        if not self._is_new(target, fault, earlier):
            return "joined"
        try:
            await self.rest.create(paths.incidents(signal.namespace), _incident(signal, target, fault, earlier))
        except AlreadyExists:
            return "joined"
        delay = (clock.now() - signal.observed_at).total_seconds()
        metrics.OPENING.observe(max(0.0, delay))
        _log.info("incident opened", namespace=signal.namespace, target=str(target), fault=signal.reason)
        return "opened"

    def _is_new(self, target: WorkloadRef, fault: str, earlier: list[Object]) -> bool:
        """False while an incident is open, or while a fault that nobody mended yet goes on showing itself."""
        now = clock.now()
        if any(not _phase(one).closed for one in earlier):
            return False
        last = max(earlier, key=_created, default=None)
        seen = self._seen.get(target.uid) or (_closed_at(last) if last else None)
        self._remember(target.uid, now)
        if last is None or _phase(last) in _SETTLED:
            return True
        same = (last["metadata"].get("annotations") or {}).get(_FAULT) == fault
        return not same or seen is None or now - seen > STILL_THE_SAME

    def _remember(self, uid: str, now: datetime) -> None:
        self._seen[uid] = now
        if len(self._seen) > _REMEMBERED:
            self._seen = {uid: seen for uid, seen in self._seen.items() if now - seen <= STILL_THE_SAME}

    async def _earlier(self, target: WorkloadRef) -> list[Object]:
        """The workload's incidents: those that we opened, and those that people opened to have it healed."""
        path = paths.incidents(target.namespace)
        selectors = f"{paths.WORKLOAD}={workload_key(target)}", f"!{paths.WORKLOAD}"
        ours, others = await asyncio.gather(
            *(self.rest.list(path, {"labelSelector": selector}, into=Object) for selector in selectors)
        )
        return [*ours, *(one for one in others if _heals(one, target))]

    async def _top_owner(self, signal: Signal) -> tuple[WorkloadRef, Object]:
        """The workload at the top of the owners that we know; a pod without one stands for itself."""
        ref = WorkloadRef(
            api_version="v1" if signal.kind == "Pod" else "apps/v1",
            kind=signal.kind,
            namespace=signal.namespace,
            name=signal.name,
            uid=signal.uid,
        )
        owner = signal.owner
        raw: Object | None = None
        while owner is not None and is_workload(owner):
            ref = WorkloadRef(
                api_version=owner.api_version,
                kind=owner.kind,
                namespace=signal.namespace,
                name=owner.name,
                uid=owner.uid,
            )
            raw = await self._read(ref)
            owner = controller_of(raw)
        return ref, raw if raw is not None else await self._read(ref)

    async def _read(self, ref: WorkloadRef) -> Object:
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


def _incident(signal: Signal, target: WorkloadRef, fault: str, earlier: list[Object]) -> Object:
    annotations = {paths.DETECTED_AT: signal.observed_at.isoformat(), _FAULT: fault}
    if signal.fault_at is not None:
        annotations[paths.FAULT_AT] = signal.fault_at.isoformat()
    spec: Object = {
        "type": signal.type.value,
        "severity": signal.severity.value,
        "description": _description(signal),
        **({"containerName": signal.container} if signal.container else {}),
        **_address(signal, target),
    }
    return {
        "apiVersion": f"{paths.GROUP}/{paths.VERSION}",
        "kind": "Incident",
        "metadata": {
            "name": _name(target, earlier),
            "namespace": signal.namespace,
            "labels": {paths.WORKLOAD: workload_key(target), paths.SOURCE: signal.source},
            "annotations": annotations,
        },
        "spec": spec,
    }


def _address(signal: Signal, target: WorkloadRef) -> Object:
    if target.kind == "Pod":
        return {"podName": signal.name}
    return {"target": {"apiVersion": target.api_version, "kind": target.kind, "name": target.name}}


def _description(signal: Signal) -> str:
    where = f" in container {signal.container}" if signal.container else ""
    text = f"{signal.kind} {signal.name}: {signal.reason}{where}"
    if signal.type is IncidentType.POD_CRASH_LOOP and signal.restarts:
        text += f" after {signal.restarts} restart(s)"
    return text[:1000]


def _name(target: WorkloadRef, earlier: list[Object]) -> str:
    """The same for everyone who sees the same workload with the same past."""
    last = max(earlier, key=_created, default=None)
    past = last["metadata"]["uid"] if last else ""
    digest = hashlib.sha256(f"{target.uid}/{past}".encode()).hexdigest()[:8]
    return f"{target.name[:50].rstrip('-.')}-{digest}"


def _fault_key(target: WorkloadRef, raw: Object, namespace: Object) -> str:
    """What must change for a fault to count as another one: the object, its template, or the permission to heal."""
    opted_in = (namespace["metadata"].get("labels") or {}).get(HEAL, "")
    text = f"{target.uid}/{template_hash(template_of(raw))}/{opted_in}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _heals(raw: Object, target: WorkloadRef) -> bool:
    """Whether an incident that a person opened is there to heal this workload."""
    spec, found = raw.get("spec") or {}, (raw.get("status") or {}).get("target", "")
    wanted = spec.get("target") or {"kind": "Pod", "name": spec.get("podName")}
    return spec.get("mode") != Mode.DRY_RUN and str(target) in {found, f"{wanted['kind']}/{wanted['name']}"}


def _phase(raw: Object) -> Phase:
    return Phase((raw.get("status") or {}).get("phase") or Phase.PENDING)


def _created(raw: Object) -> tuple[str, str]:
    return raw["metadata"]["creationTimestamp"], raw["metadata"]["name"]


def _closed_at(raw: Object) -> datetime | None:
    text = ((raw.get("status") or {}).get("times") or {}).get("closedAt")
    return datetime.fromisoformat(text) if text else None
