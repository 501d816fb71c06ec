"""`JobSource`: sees Jobs that have failed for good. A try that failed is no fault yet, as the Job makes another one.

It only reports, and keeps one word per Job that has failed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NoReturn

from prunella_operator.detection.rollouts import Condition
from prunella_operator.kubernetes.access import Access
from prunella_operator.kubernetes.decoding import Metadata, WireStruct
from prunella_operator.kubernetes.watch.resource import Resource, Scope, WatchStats, WatchTimings
from prunella_operator.kubernetes.watch.watch import Watch
from prunella_workflows.model.incident import IncidentType
from prunella_workflows.model.signal import OwnerRef, Signal

# A Job that failed stays as it is. What failed longer ago than this when it is first seen has been told, or is history.
_LATELY = timedelta(minutes=30)
_LONGEST_MESSAGE = 300


class JobStatus(WireStruct, frozen=True):
    """How a Job ended."""

    conditions: tuple[Condition, ...] | None = None


class Job(WireStruct, frozen=True):
    """A Job as the sensor sees it."""

    metadata: Metadata
    status: JobStatus = JobStatus()

    @property
    def failure(self) -> Condition | None:
        """The condition that says it has failed for good, if it has."""
        if self.metadata.deletion_timestamp:
            return None
        ends = (
            condition
            for condition in self.status.conditions or ()
            if condition.type == "Failed" and condition.status == "True"
        )
        return next(ends, None)


JOBS = Resource("/apis/batch/v1", "jobs", "Job", Job)


@dataclass(slots=True)
class JobSource:
    """The watch on Jobs. `emit` is called in the event loop: it must be quick."""

    access: Access
    emit: Callable[[Signal], None]
    scope: Scope = field(default_factory=Scope)
    pace: WatchTimings = field(default_factory=WatchTimings)
    stats: WatchStats = field(default_factory=WatchStats)
    _told: set[str] = field(default_factory=set)

    async def run(self) -> NoReturn:
        """Watch until cancelled."""
        await Watch(self.access, JOBS, self, self.scope, self.pace, self.stats).run()

    def seen(self, obj: Job, at: datetime) -> None:
        """Report a failure once; remembered only then."""
        uid, failure = obj.metadata.uid, obj.failure
        if failure is None or uid in self._told:
            return
        since = failure.last_transition_time
        if since is None or at - since <= _LATELY:
            self.emit(_signal(obj.metadata, failure, at))
        self._told.add(uid)

    def gone(self, uid: str, _at: datetime) -> None:
        """Forget the Job."""
        self._told.discard(uid)


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
        message=failure.message[:_LONGEST_MESSAGE],
        ignored=meta.ignored,
        fault_at=failure.last_transition_time,
        observed_at=at,
    )
