"""`PodSource`: reports faulty pods within milliseconds of the API server knowing of the fault.

It keeps a few words per faulty pod and nothing of healthy ones. The intake finds the pod's owner and open incidents.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NoReturn

from prunella_operator.detection.evicted_pods import EvictedPodTracker
from prunella_operator.detection.pod_faults import Memory, detect_faults
from prunella_operator.detection.pod_status import Pod
from prunella_operator.detection.timer import check_regularly
from prunella_operator.detection.unready_pods import UnreadyPodTracker
from prunella_operator.kubernetes.access import Access
from prunella_operator.kubernetes.watch.resource import Resource, Scope, WatchStats, WatchTimings
from prunella_operator.kubernetes.watch.watch import Watch
from prunella_workflows.model.signal import Signal

PODS = Resource("/api/v1", "pods", "Pod", Pod)
# A cluster may keep thousands of completed pods, which cannot fail. A pod that completes is reported as deleted.
_NOT_COMPLETED = "status.phase!=Succeeded"
# A pod that is always restarted completes only if its kubelet evicts it: there are few of these.
_EVICTED = "status.phase=Succeeded,spec.restartPolicy=Always"


@dataclass(slots=True)
class PodSource:
    """The watches on pods. `emit` is called in the event loop for each Signal and must return quickly."""

    access: Access
    emit: Callable[[Signal], None]
    scope: Scope = field(default_factory=Scope)
    timings: WatchTimings = field(default_factory=WatchTimings)
    stats: WatchStats = field(default_factory=WatchStats)
    _memory: dict[str, Memory] = field(default_factory=dict)
    _unready: UnreadyPodTracker = field(init=False)
    _evicted: EvictedPodTracker = field(init=False)

    def __post_init__(self) -> None:
        self._unready = UnreadyPodTracker(self.emit)
        self._evicted = EvictedPodTracker(self.emit)

    async def run(self) -> NoReturn:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(check_regularly(self.report_due))
            group.create_task(Watch(self.access, PODS, self._evicted, self._select(_EVICTED), self.timings).run())
            await Watch(self.access, PODS, self, self._select(_NOT_COMPLETED), self.timings, self.stats).run()

    def _select(self, fields: str) -> Scope:
        """Narrow the scope to pods with these fields."""
        return replace(self.scope, fields=",".join(filter(None, (self.scope.fields, fields))))

    def on_upsert(self, obj: Pod, at: datetime) -> None:
        """Report new faults of the pod; remembered only afterwards, so that a signal `emit` rejects is sent again."""
        uid = obj.metadata.uid
        signals, memory = detect_faults(obj, self._memory.get(uid), at)
        for signal in signals:
            self.emit(signal)
        self._unready.update(obj, at)
        self._evicted.on_upsert(obj, at)
        self._memory[uid] = memory

    def report_due(self, now: datetime) -> None:
        """Report the pods that have been unready for too long."""
        self._unready.report_due(now)

    def on_delete(self, uid: str, _at: datetime) -> None:
        """Forget the pod."""
        self._unready.forget(uid)
        self._memory.pop(uid, None)
