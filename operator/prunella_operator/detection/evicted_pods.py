"""Evicted pods: one is replaced and left alone; a workload whose replacements are evicted as well never runs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from prunella_operator.detection.pod_status import Pod
from prunella_workflows.decisions.diagnosis.evictions import EVICTION_LIMIT, EVICTION_WINDOW
from prunella_workflows.model.incident import IncidentType
from prunella_workflows.model.signal import OwnerRef, Signal

_MAX_OWNERS = 1000  # beyond it those are forgotten whose last eviction was long ago


@dataclass(slots=True)
class EvictedPodTracker:
    """Reports the third eviction in a row, and each that follows. Keeps a few times per owner of evicted pods."""

    emit: Callable[[Signal], None]
    _chains: dict[str, tuple[datetime, ...]] = field(default_factory=dict)

    def on_upsert(self, obj: Pod, at: datetime) -> None:
        """Count an evicted pod if it replaced the one that was counted before. A pod that is seen again is not."""
        owner, ended = obj.metadata.controller, obj.evicted_at(at)
        if owner is None or ended is None or at - ended > EVICTION_WINDOW:
            return
        chain = tuple(each for each in self._chains.get(owner.uid, ()) if ended - each <= EVICTION_WINDOW)
        if chain and (obj.status.start_time is None or obj.status.start_time < chain[-1]):
            return
        chain = (*chain, ended)[-EVICTION_LIMIT:]
        if len(chain) == EVICTION_LIMIT:
            self.emit(_signal(obj, ended, at))
        self._chains[owner.uid] = chain
        if len(self._chains) > _MAX_OWNERS:
            self._chains = {uid: ends for uid, ends in self._chains.items() if at - ends[-1] <= EVICTION_WINDOW}

    def on_delete(self, uid: str, _at: datetime) -> None:
        """Keep what was counted: an evicted pod may be deleted before the next one is evicted."""


def _signal(pod: Pod, ended: datetime, at: datetime) -> Signal:
    meta, owner = pod.metadata, pod.metadata.controller
    return Signal(
        source="pods",
        type=IncidentType.UNAVAILABLE,
        namespace=meta.namespace,
        kind="Pod",
        name=meta.name,
        uid=meta.uid,
        owner=owner and OwnerRef(api_version=owner.api_version, kind=owner.kind, name=owner.name, uid=owner.uid),
        reason=pod.status.reason or "Evicted",
        message=f"{EVICTION_LIMIT} pods in a row were evicted",
        ignored=meta.ignored,
        fault_at=ended,
        observed_at=at,
    )
