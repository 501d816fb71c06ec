"""`PodSource`: sees pods in trouble within milliseconds of the API server knowing it.

It keeps a few words per troubled pod and nothing of the others. It only reports: who owns the pod, whether an incident
is open already and whether to heal are the business of the intake and of the brain.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NoReturn

from prunella_operator.detection.pod_faults import Memory, signals
from prunella_operator.detection.pod_status import Pod
from prunella_operator.detection.unready_pods import UnreadyPodTracker
from prunella_operator.kubernetes.access import Access
from prunella_operator.kubernetes.watch.resource import Resource, Scope, WatchStats, WatchTimings
from prunella_operator.kubernetes.watch.watch import Watch
from prunella_workflows.model.signal import Signal

PODS = Resource("/api/v1", "pods", "Pod", Pod)
# Completed pods are of no interest, and a cluster may keep thousands; one that completes is reported as gone.
_UNFINISHED = "status.phase!=Succeeded"


@dataclass(slots=True)
class PodSource:
    """The watch on pods. `emit` is called in the event loop for each Signal: it must be quick."""

    access: Access
    emit: Callable[[Signal], None]
    scope: Scope = field(default_factory=Scope)
    pace: WatchTimings = field(default_factory=WatchTimings)
    stats: WatchStats = field(default_factory=WatchStats)
    _memory: dict[str, Memory] = field(default_factory=dict)
    _silence: UnreadyPodTracker = field(init=False)

    def __post_init__(self) -> None:
        self._silence = UnreadyPodTracker(self.emit)

    async def run(self) -> NoReturn:
        """Watch until cancelled."""
        scope = replace(self.scope, fields=",".join(filter(None, (self.scope.fields, _UNFINISHED))))
        async with asyncio.TaskGroup() as group:
            group.create_task(self._silence.run())
            await Watch(self.access, PODS, self, scope, self.pace, self.stats).run()

    def seen(self, obj: Pod, at: datetime) -> None:
        """Report what is new about the pod. Remembered only then: a signal that was not taken is given again."""
        uid = obj.metadata.uid
        found, memory = signals(obj, self._memory.get(uid), at)
        for signal in found:
            self.emit(signal)
        self._silence.seen(obj, at)
        self._memory[uid] = memory

    def gone(self, uid: str, _at: datetime) -> None:
        """Forget the pod."""
        self._silence.gone(uid)
        self._memory.pop(uid, None)
