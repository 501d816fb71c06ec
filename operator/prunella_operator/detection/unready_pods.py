"""Unready pods: running pods that were ready and have not been for a while, a fault that no further event announces."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from prunella_operator.detection.pod_status import Pod
from prunella_workflows.model.incident import IncidentType
from prunella_workflows.model.signal import OwnerRef, Signal

UNREADY_TIMEOUT = timedelta(seconds=30)


@dataclass(slots=True)
class UnreadyPodTracker:
    """Reports each unready period once, when it has lasted for `timeout`. Keeps one entry per unready pod."""

    emit: Callable[[Signal], None]
    timeout: timedelta = UNREADY_TIMEOUT
    _waiting: dict[str, Signal] = field(default_factory=dict)
    _reported: set[str] = field(default_factory=set)

    def update(self, pod: Pod, at: datetime) -> None:
        """Start or end the pod's unready period."""
        uid, since = pod.metadata.uid, pod.unready_since
        if since is None or not pod.is_relevant:
            self.forget(uid)
        elif uid not in self._reported:
            self._waiting[uid] = _signal(pod, since, at)

    def forget(self, uid: str) -> None:
        """Forget the pod."""
        self._waiting.pop(uid, None)
        self._reported.discard(uid)

    def report_due(self, now: datetime) -> None:
        """Report every unready period that has lasted long enough."""
        for uid, signal in list(self._waiting.items()):
            if signal.fault_at is not None and now - signal.fault_at >= self.timeout:
                self.emit(signal.model_copy(update={"observed_at": now}))
                del self._waiting[uid]
                self._reported.add(uid)


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
