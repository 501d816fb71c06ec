"""Unready pods: pods that run, were ready, and have not been for a while, a fault that no further event announces.

The only part of the sensor that needs a clock of its own. It keeps one entry per silent pod.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NoReturn

from prunella_operator import clock
from prunella_operator.detection.pod_status import Pod
from prunella_workflows.model.incident import IncidentType
from prunella_workflows.model.signal import OwnerRef, Signal

PATIENCE = timedelta(seconds=30)
_LOOK_EVERY = 1.0


@dataclass(slots=True)
class UnreadyPodTracker:
    """Tells of each silence once, when it has lasted for `patience`."""

    emit: Callable[[Signal], None]
    patience: timedelta = PATIENCE
    _waiting: dict[str, Signal] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)

    def seen(self, pod: Pod, at: datetime) -> None:
        """Note whether the pod is silent."""
        uid, since = pod.metadata.uid, pod.silent_since
        if since is None or not pod.worth_a_look:
            self.gone(uid)
        elif uid not in self._told:
            self._waiting[uid] = _signal(pod, since, at)

    def gone(self, uid: str) -> None:
        """Forget the pod."""
        self._waiting.pop(uid, None)
        self._told.discard(uid)

    async def run(self) -> NoReturn:
        """Look at the clock until cancelled."""
        while True:
            self.look(clock.now())
            await asyncio.sleep(_LOOK_EVERY)

    def look(self, now: datetime) -> None:
        """Tell of every silence that has lasted long enough."""
        for uid, signal in list(self._waiting.items()):
            if signal.fault_at is not None and now - signal.fault_at >= self.patience:
                self.emit(signal.model_copy(update={"observed_at": now}))
                del self._waiting[uid]
                self._told.add(uid)


def _signal(pod: Pod, since: datetime, at: datetime) -> Signal:
    meta, owner = pod.metadata, pod.metadata.controller
    return Signal(
        source="pods",
        type=IncidentType.PROBE_FAILURE,
        namespace=meta.namespace,
        kind="Pod",
        name=meta.name,
        uid=meta.uid,
        owner=owner and OwnerRef(api_version=owner.api_version, kind=owner.kind, name=owner.name, uid=owner.uid),
        reason="NotReady",
        message="the pod runs but is no longer ready",
        ignored=meta.ignored,
        fault_at=since,
        observed_at=at,
    )
