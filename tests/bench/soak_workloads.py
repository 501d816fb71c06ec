"""The workloads of `soak.py`: created a little ahead, broken at an even rate, followed to the end, and removed."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

import aiohttp
import workloads
from msgspec import field as wire
from support.api import Api

from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.decoding import WireStruct
from prunella_operator.kubernetes.views.workloads import workload_key
from prunella_operator.kubernetes.watch.resource import Resource
from prunella_operator.kubernetes.watch.watch import Watch
from prunella_workflows.model import labels
from prunella_workflows.model.errors import Unavailable
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.model.workload import WorkloadRef

_BUSY = (Unavailable, aiohttp.ClientError, TimeoutError)
_RETRY_INTERVAL_SECONDS = 1.0


class Labels(WireStruct, frozen=True):
    """The owner: a pod's Deployment, an Incident's workload."""

    app: str = ""
    workload: str = wire(name=labels.WORKLOAD, default="")


class Metadata(WireStruct, frozen=True):
    """The identity of an object."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    labels: Labels = Labels()


class Status(WireStruct, frozen=True):
    """The status of an Incident."""

    phase: str = ""


class WatchedObject(WireStruct, frozen=True):
    """A pod or an Incident, as far as it counts here."""

    metadata: Metadata
    status: Status = Status()


@dataclass
class Case:
    """One Deployment from its making to its end."""

    namespace: str
    name: str
    pod: str = ""
    broken: float = 0.0  # monotonic seconds; 0 before
    ended: float = 0.0  # when the first of its Incidents had ended
    removed: bool = False
    phases: dict[str, Phase] = field(default_factory=dict)
    """The phases of its Incidents, by uid; an Incident that was removed stays here."""

    @property
    def path(self) -> str:
        return f"{paths.collection('Deployment', self.namespace)}/{self.name}"

    @property
    def healed(self) -> bool:
        """Check that it has one Incident, and that this was healed."""
        return list(self.phases.values()) == [Phase.HEALED]


@dataclass
class WorkloadPool:
    """All cases, by the key of their workload, and the Incidents that are there."""

    api: Api
    breaker: workloads.Breaker
    cases: dict[str, Case] = field(default_factory=dict)
    kept: dict[str, tuple[str, float]] = field(default_factory=dict)
    """uid -> path and the time at which it ended (0: not yet)."""

    @property
    def waiting(self) -> Iterator[Case]:
        """The cases that are healthy and will break."""
        return (case for case in self.cases.values() if not case.broken)

    @property
    def ready(self) -> Case | None:
        """The next case to break, if its pod runs already."""
        return next((case for case in self.waiting if case.pod), None)

    @property
    def broken(self) -> list[Case]:
        return [case for case in self.cases.values() if case.broken]

    @property
    def settled(self) -> bool:
        """Check that every fault has its Incident, and that all of these have ended."""
        return all(case.phases and all(phase.closed for phase in case.phases.values()) for case in self.broken)

    def count(self) -> dict[str, int]:
        """Count faults by outcome; `open` are Incidents that go on, `kept` those that are there."""
        phases = Counter(phase for case in self.cases.values() for phase in case.phases.values())
        ended = sum(number for phase, number in phases.items() if phase.closed)
        return {
            "faults": len(self.broken),
            "incidents": phases.total(),
            "open": phases.total() - ended,
            "healed": phases[Phase.HEALED],
            "otherwise": ended - phases[Phase.HEALED],
            "kept": len(self.kept),
        }

    def ends(self) -> dict[str, Any]:
        """Every fault by outcome; a `doubled` one has several Incidents, however they ended."""
        single = [case for case in self.broken if len(case.phases) == 1]
        return {
            "made": len(self.broken),
            "healed": sum(case.healed for case in single),
            "lost": [case.name for case in self.broken if not case.phases],
            "doubled": [case.name for case in self.broken if len(case.phases) > 1],
            "not healed": [
                f"{case.name}:{phase}" for case in single if not case.healed for phase in case.phases.values()
            ],
        }

    # What is watched.

    def case(self, namespace: str, name: str) -> Case:
        """Add a new case."""
        return self.cases.setdefault(_key(namespace, name), Case(namespace, name))

    def running(self, pod: WatchedObject) -> None:
        case = self.cases.get(_key(pod.metadata.namespace, pod.metadata.labels.app))
        if case and not case.pod and pod.status.phase == "Running":
            case.pod = pod.metadata.name

    def incident(self, seen: WatchedObject) -> None:
        meta, phase = seen.metadata, Phase(seen.status.phase or Phase.PENDING)
        ended = self.kept.get(meta.uid, ("", 0.0))[1] or (time.monotonic() if phase.closed else 0.0)
        self.kept[meta.uid] = (paths.incidents(meta.namespace, meta.name), ended)
        if case := self.cases.get(meta.labels.workload):
            case.phases[meta.uid] = phase
            case.ended = case.ended or ended

    def gone(self, uid: str) -> None:
        """Handle the removal of an Incident."""
        self.kept.pop(uid, None)

    def watches(self, access: Any) -> Iterator[Watch[WatchedObject]]:
        pods, incidents = (
            Resource(*where, WatchedObject)
            for where in (
                ("/api/v1", "pods", "Pod"),
                (f"/apis/{labels.API_VERSION}", "incidents", "Incident"),
            )
        )
        yield Watch(access, pods, WatchHandler(self.running))
        yield Watch(access, incidents, WatchHandler(self.incident, self.gone))

    # What is done.

    async def create_ahead(self, ahead: int) -> NoReturn:
        """Keep that many ready to break."""
        for number in itertools.count():
            while sum(1 for _ in self.waiting) >= ahead:  # noqa: ASYNC110 - a poll will do here
                await asyncio.sleep(0.2)
            self.case(*workloads.address(number))  # first: its pod may run at once
            await self._retry_while_busy(workloads.make, self.api, number)

    async def break_steadily(self, rate: float, minutes: float) -> None:
        """Break `rate` a minute. Catch up when none was ready in time, but not after the end."""
        began = time.monotonic()
        for number in range(round(rate * minutes)):
            await asyncio.sleep(max(0.0, began + number * 60 / rate - time.monotonic()))
            while not (case := self.ready):  # noqa: ASYNC110 - a poll will do here
                await asyncio.sleep(0.1)
            if time.monotonic() - began > 60 * minutes:
                return
            await self._break(case)

    async def _break(self, case: Case) -> None:
        case.broken = time.monotonic()
        while True:
            try:
                return await self.breaker.break_one((case.namespace, case.name, case.pod))
            except _BUSY:
                await asyncio.sleep(_RETRY_INTERVAL_SECONDS)

    async def remove_expired(self, linger: float, forget: float) -> NoReturn:
        """Remove Deployments so many seconds after their end, and Incidents; 0: these stay."""
        while True:
            now = time.monotonic()
            for case in [case for case in self.broken if case.ended and not case.removed and now - case.ended > linger]:
                await self._retry_while_busy(self.api.delete, case.path)
                case.removed = True
            for path in [path for path, ended in self.kept.values() if forget and ended and now - ended > forget]:
                await self._retry_while_busy(self.api.delete, path)
            await asyncio.sleep(_RETRY_INTERVAL_SECONDS)

    @staticmethod
    async def _retry_while_busy(call: Callable[..., Any], *args: Any) -> Any:
        """Call in a thread, and again when the API server is busy."""
        while True:
            try:
                return await asyncio.to_thread(call, *args)
            except _BUSY:
                await asyncio.sleep(_RETRY_INTERVAL_SECONDS)


@dataclass
class WatchHandler:
    """Pass on the events of a watch."""

    handle: Callable[[WatchedObject], None]
    forget: Callable[[str], object] = bool

    def on_upsert(self, obj: WatchedObject, _at: object) -> None:
        self.handle(obj)

    def on_delete(self, uid: str, _at: object) -> None:
        self.forget(uid)


def _key(namespace: str, name: str) -> str:
    return workload_key(WorkloadRef(kind="Deployment", namespace=namespace, name=name))
