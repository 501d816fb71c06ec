"""The kubelets of `aiops.py`: kwok lets every pod run, and this writes what a kubelet would about those that fail.

It also records how many pods of each service are ready, from which the judge computes downtime.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NoReturn

from aiops_faults import Fault, SeenPod, probe_event, recovered
from support.api import Object

from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import MERGE_PATCH
from prunella_operator.kubernetes.async_client import AsyncClient
from prunella_workflows.model.errors import NotFound, Unavailable
from prunella_workflows.model.quantity import parse_bytes

_RELEASE = "RELEASE"
_RETRY_SECONDS = 0.5
_WRITERS = 4


def seen(pod: Object) -> SeenPod:
    """A pod as the API server sends it."""
    meta, status = pod["metadata"], pod.get("status") or {}
    container = pod["spec"]["containers"][0]
    conditions = {entry["type"]: entry["status"] for entry in status.get("conditions") or ()}
    variables = {entry["name"]: entry.get("value", "") for entry in container.get("env") or ()}
    return SeenPod(
        uid=meta["uid"],
        namespace=meta["namespace"],
        name=meta["name"],
        app=meta["labels"]["app"],
        release=variables.get(_RELEASE, ""),
        memory=parse_bytes(container["resources"]["limits"]["memory"]),
        started=status.get("startTime", ""),
        running=status.get("phase") == "Running",
        ready=conditions.get("Ready") == "True",
    )


@dataclass
class Active:
    """A fault of one service that goes on."""

    fault: Fault
    older: frozenset[str]
    """The uids of the pods that were there before it."""
    written: dict[str, tuple[SeenPod, Object]] = field(default_factory=dict)
    """uid -> the pod and the status that was written."""

    def strikes(self, pod: SeenPod) -> bool:
        """Check that this pod fails now, and did not before."""
        fault = self.fault
        if fault.status is None or pod.uid in self.written or not pod.running:
            return False
        old = fault.only_new and pod.uid in self.older
        return not old and len(self.written) < fault.most and fault.strikes(pod)


@dataclass
class Kubelets:
    """All pods, the faults that go on, and the number of ready pods of each service over time."""

    rest: AsyncClient
    pods: dict[str, dict[str, SeenPod]] = field(default_factory=lambda: defaultdict(dict))
    """Service -> uid -> pod; those that are being deleted are gone."""
    active: dict[str, Active] = field(default_factory=dict)
    ready: dict[str, list[tuple[float, int]]] = field(default_factory=lambda: defaultdict(list))
    """Service -> monotonic seconds and the number of ready pods from then on."""
    _apps: dict[str, str] = field(default_factory=dict)
    _writes: asyncio.Queue[tuple[SeenPod, Object, str]] = field(default_factory=asyncio.Queue)

    # Handler of the watch.

    def on_upsert(self, pod: Object) -> None:
        """Remember a pod of a service, and strike it if a fault says so."""
        meta = pod["metadata"]
        if "app" not in (meta.get("labels") or {}):
            return
        if "deletionTimestamp" in meta:
            self.on_delete(meta["uid"])
            return
        one = seen(pod)
        self._apps[one.uid] = one.app
        self.pods[one.app][one.uid] = one
        self._count(one.app)
        self._strike([one])

    def on_delete(self, uid: str) -> None:
        """Forget a pod."""
        if app := self._apps.pop(uid, ""):
            self.pods[app].pop(uid, None)
            self._count(app)

    def _count(self, app: str) -> None:
        series, count = self.ready[app], self.serving(app)
        if not series or series[-1][1] != count:
            series.append((time.monotonic(), count))

    def serving(self, app: str) -> int:
        """The number of its ready pods."""
        return len(self.ready_pods(app))

    def ready_pods(self, app: str) -> list[SeenPod]:
        """Its ready pods."""
        return [pod for pod in list(self.pods[app].values()) if pod.ready]

    # Faults.

    def begin(self, app: str, fault: Fault) -> None:
        """Let a fault begin."""
        self.active[app] = Active(fault, frozenset(self.pods[app]))
        self._strike(list(self.pods[app].values()))

    def end(self, app: str) -> None:
        """End it: the containers that it has struck run again."""
        if active := self.active.pop(app, None):
            for pod, status in active.written.values():
                if pod.uid in self.pods[app]:
                    self._writes.put_nowait((pod, recovered(status), ""))

    def _strike(self, pods: Iterable[SeenPod]) -> None:
        for pod in pods:
            active = self.active.get(pod.app)
            if active and active.strikes(pod):
                status = active.fault.status(pod)
                active.written[pod.uid] = pod, status
                self._writes.put_nowait((pod, status, active.fault.probe))

    # Writes.

    async def run(self) -> NoReturn:
        """Write statuses until cancelled, a few at a time."""
        await asyncio.gather(*(self._write_all() for _ in range(_WRITERS)))
        raise AssertionError("writers do not end")

    async def _write_all(self) -> NoReturn:
        while True:
            pod, status, probe = await self._writes.get()
            with suppress(NotFound):  # it is gone: no kubelet writes about it either
                await self._write(pod, status, probe)

    async def _write(self, pod: SeenPod, status: Object, probe: str) -> None:
        path = paths.core(pod.namespace, "pods", f"{pod.name}/status")
        await self._until_done(lambda: self.rest.patch(path, {"status": status}, MERGE_PATCH))
        if probe:
            events = paths.core(pod.namespace, "events")
            await self._until_done(lambda: self.rest.create(events, probe_event(pod, probe)))

    @staticmethod
    async def _until_done(call: Callable[[], Awaitable[object]]) -> None:
        while True:
            try:
                await call()
            except Unavailable:
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return
