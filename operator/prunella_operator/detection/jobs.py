"""`JobSource`: reports Jobs that have failed for good. A failed pod is no fault yet, because the Job retries."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NoReturn

from prunella_operator.detection.rollouts import MAX_MESSAGE_LENGTH, Condition
from prunella_operator.kubernetes.access import Access
from prunella_operator.kubernetes.decoding import Metadata, WireStruct
from prunella_operator.kubernetes.watch.resource import Resource, Scope, WatchStats, WatchTimings
from prunella_operator.kubernetes.watch.watch import Watch
from prunella_workflows.model.incident import IncidentType
from prunella_workflows.model.redaction import redact
from prunella_workflows.model.signal import OwnerRef, Signal

# A failed Job does not change again. If it failed longer ago when first seen, it was reported before, or is history.
_RECENT = timedelta(minutes=30)


class JobStatus(WireStruct, frozen=True):
    """The part of a Job's status that shows how it ended."""

    conditions: tuple[Condition, ...] | None = None


class Job(WireStruct, frozen=True):
    """The fields of a Job that the watch reads."""

    metadata: Metadata
    status: JobStatus = JobStatus()

    @property
    def failure(self) -> Condition | None:
        """The condition of a permanent failure, if any."""
        if self.metadata.deletion_timestamp:
            return None
        failures = (c for c in self.status.conditions or () if c.type == "Failed" and c.status == "True")
        return next(failures, None)


JOBS = Resource("/apis/batch/v1", "jobs", "Job", Job)


@dataclass(slots=True)
class JobSource:
    """The watch on Jobs. `emit` is called in the event loop and must return quickly."""

    access: Access
    emit: Callable[[Signal], None]
    scope: Scope = field(default_factory=Scope)
    timings: WatchTimings = field(default_factory=WatchTimings)
    stats: WatchStats = field(default_factory=WatchStats)
    _reported: set[str] = field(default_factory=set)  # uids of failed Jobs

    async def run(self) -> NoReturn:
        """Watch until cancelled."""
        await Watch(self.access, JOBS, self, self.scope, self.timings, self.stats).run()

    def on_upsert(self, obj: Job, at: datetime) -> None:
        """Report a failure once. It is remembered only after `emit` has accepted it."""
        uid, failure = obj.metadata.uid, obj.failure
        if failure is None or uid in self._reported:
            return
        since = failure.last_transition_time
        if since is None or at - since <= _RECENT:
            self.emit(_signal(obj.metadata, failure, at))
        self._reported.add(uid)

    def on_delete(self, uid: str, _at: datetime) -> None:
        """Forget the Job."""
        self._reported.discard(uid)


def _signal(meta: Metadata, failure: Condition, at: datetime) -> Signal:
    owner = meta.controller
    return Signal(
        source="jobs",
        type=IncidentType.OTHER,
        namespace=meta.namespace,
        kind="Job",
        name=meta.name,
        uid=meta.uid,
        owner=owner and OwnerRef(api_version=owner.api_version, kind=owner.kind, name=owner.name, uid=owner.uid),
        reason=failure.reason or "Failed",
        message=redact(failure.message)[:MAX_MESSAGE_LENGTH],
        ignored=meta.ignored,
        fault_at=failure.last_transition_time,
        observed_at=at,
    )
