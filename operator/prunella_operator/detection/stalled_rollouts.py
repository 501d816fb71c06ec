"""Stalled rollouts: workloads that make no progress toward their desired state, a fault that no pod may show.

Their pods find no node, never start, never become ready, or are not even created. Deployments report this themselves,
but only after their deadline (ten minutes by default); StatefulSets and DaemonSets never do.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from prunella_workflows.model.signal import Signal

STALL_TIMEOUT = timedelta(minutes=2)
REFUSED_STALL_TIMEOUT = timedelta(minutes=1)
"""Timeout for pods that the API server refuses: there is no start to wait for, only a quota that may become free."""


class Progress(NamedTuple):
    """The progress of a workload. If any number changes, it has progressed or its spec has changed."""

    generation: int
    updated: int
    available: int
    total: int
    refused: bool = False


class StalledRollout(NamedTuple):
    """A workload without progress since a point in time."""

    progress: Progress
    since: datetime
    signal: Signal
    reported: bool = False


@dataclass(slots=True)
class StalledRolloutTracker:
    """Reports each stall once, when it has lasted too long. Keeps one entry per incomplete workload."""

    emit: Callable[[Signal], None]
    _waiting: dict[str, StalledRollout] = field(default_factory=dict)

    def update(self, uid: str, progress: Progress, signal: Signal, at: datetime) -> None:
        """Record the progress of an incomplete workload, and the signal to emit if it stalls."""
        before = self._waiting.get(uid)
        if before is None or before.progress != progress:
            self._waiting[uid] = StalledRollout(progress, at, signal)

    def forget(self, uid: str) -> None:
        """Forget the workload: it is complete, scaled to zero, paused, or deleted."""
        self._waiting.pop(uid, None)

    def report_due(self, now: datetime) -> None:
        """Report every stall that has lasted long enough."""
        for uid, stalled in list(self._waiting.items()):
            timeout = REFUSED_STALL_TIMEOUT if stalled.progress.refused else STALL_TIMEOUT
            if not stalled.reported and now - stalled.since >= timeout:
                self._waiting[uid] = stalled._replace(reported=True)
                self.emit(stalled.signal.model_copy(update={"fault_at": stalled.since, "observed_at": now}))
