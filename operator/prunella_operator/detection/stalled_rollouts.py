"""Stalled rollouts: workloads that do not reach their desired state and make no progress, a fault that no pod shows.

Its pods find no node, never start, never become ready, or are not even made. Deployments say so themselves, but only
after their deadline, ten minutes if nobody set it; StatefulSets and DaemonSets never do.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple, NoReturn

from prunella_operator import clock
from prunella_workflows.model.signal import Signal

PATIENCE = timedelta(minutes=2)
REFUSED = timedelta(minutes=1)
"""The same for pods that the API server refuses: there is no start to wait for, only a quota that may get free."""

_LOOK_EVERY = 1.0


class Progress(NamedTuple):
    """How far a workload is; a change of any number is progress, or another wish."""

    generation: int
    updated: int
    available: int
    total: int
    refused: bool = False


class StalledRollout(NamedTuple):
    """A workload that has stood still since a moment."""

    progress: Progress
    since: datetime
    signal: Signal
    told: bool = False


@dataclass(slots=True)
class StalledRolloutTracker:
    """Tells of each standstill once, when it has lasted for too long. Keeps one entry per incomplete workload."""

    emit: Callable[[Signal], None]
    _waiting: dict[str, StalledRollout] = field(default_factory=dict)

    def seen(self, uid: str, progress: Progress, signal: Signal, at: datetime) -> None:
        """Note how far an incomplete workload is. The signal is what would be told of it."""
        before = self._waiting.get(uid)
        if before is None or before.progress != progress:
            self._waiting[uid] = StalledRollout(progress, at, signal)

    def gone(self, uid: str) -> None:
        """Forget the workload: it is complete, nothing is wanted of it, or it is deleted."""
        self._waiting.pop(uid, None)

    async def run(self) -> NoReturn:
        """Look at the clock until cancelled."""
        while True:
            self.look(clock.now())
            await asyncio.sleep(_LOOK_EVERY)

    def look(self, now: datetime) -> None:
        """Tell of every standstill that has lasted long enough."""
        for uid, still in list(self._waiting.items()):
            if not still.told and now - still.since >= (REFUSED if still.progress.refused else PATIENCE):
                self._waiting[uid] = still._replace(told=True)
                self.emit(still.signal.model_copy(update={"fault_at": still.since, "observed_at": now}))
