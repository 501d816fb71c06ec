"""The fields of a pod that the watch reads to detect faults: wire types, dropped as soon as a pod has been checked."""

from datetime import datetime, timedelta

from prunella_operator.kubernetes.decoding import Metadata, WireStruct

CRASH_LOOP = "CrashLoopBackOff"
_START_TOLERANCE = timedelta(seconds=5)
# ReplicaSets and the like replace a failed pod at once. A Job retries, and only its own failure counts.
_REPLACING_OWNERS = frozenset({"ReplicaSet", "StatefulSet", "DaemonSet", "ReplicationController", "Job"})
_REPLACED_BY = _REPLACING_OWNERS - {"Job"}
# A pod that its kubelet did not keep or not take. Those of a node that shuts down are not meant.
_EVICTED = frozenset({"Evicted", "UnexpectedAdmissionError", "OutOfcpu", "OutOfmemory", "OutOfephemeral-storage"})


class Waiting(WireStruct, frozen=True):
    """The reason why a container has not started."""

    reason: str = ""
    message: str = ""


class Terminated(WireStruct, frozen=True):
    """The termination of a container."""

    exit_code: int
    reason: str = ""
    finished_at: datetime | None = None


class State(WireStruct, frozen=True):
    """A current or last container state; both None while it runs."""

    waiting: Waiting | None = None
    terminated: Terminated | None = None


class ContainerStatus(WireStruct, frozen=True):
    """The status of a container, init container or sidecar."""

    name: str
    ready: bool = False
    restart_count: int = 0
    state: State | None = None
    last_state: State | None = None

    @property
    def waiting(self) -> Waiting | None:
        """The waiting state, if it waits to be started."""
        return self.state.waiting if self.state else None

    @property
    def running(self) -> bool:
        """True while it runs."""
        return self.state is not None and self.state.waiting is None and self.state.terminated is None

    @property
    def terminated_states(self) -> tuple[Terminated, ...]:
        """The terminations that the status shows, latest first."""
        found = (state.terminated for state in (self.state, self.last_state) if state)
        return tuple(terminated for terminated in found if terminated)

    @property
    def terminations(self) -> int:
        """The number of terminations. `restart_count` lags by one until the restart that follows a termination."""
        ended = (self.state and self.state.terminated) or (self.waiting and self.waiting.reason == CRASH_LOOP)
        return self.restart_count + bool(ended)


class PodCondition(WireStruct, frozen=True):
    """A condition of a pod."""

    type: str = ""
    status: str = ""
    last_transition_time: datetime | None = None


class PodStatus(WireStruct, frozen=True):
    """The part of a pod's status that shows faults."""

    phase: str = ""
    reason: str = ""
    start_time: datetime | None = None
    conditions: tuple[PodCondition, ...] | None = None
    container_statuses: tuple[ContainerStatus, ...] | None = None
    init_container_statuses: tuple[ContainerStatus, ...] | None = None

    @property
    def all_containers(self) -> tuple[ContainerStatus, ...]:
        """All containers in starting order: init containers and sidecars first."""
        return (self.init_container_statuses or ()) + (self.container_statuses or ())


class Pod(WireStruct, frozen=True):
    """The fields of a pod that the watch reads."""

    metadata: Metadata
    status: PodStatus = PodStatus()

    @property
    def unready_since(self) -> datetime | None:
        """The time at which a pod that was ready became unready although all its containers run; else None."""
        status = self.status
        containers = status.container_statuses or ()
        if status.phase != "Running" or not all(container.running for container in containers):
            return None
        if all(container.ready for container in containers):
            return None  # its node is lost: the control plane set "not ready", the kubelet last reported "ready"
        ready = next((condition for condition in status.conditions or () if condition.type == "Ready"), None)
        if ready is None or ready.status != "False" or not ready.last_transition_time or not status.start_time:
            return None
        # A pod that was never ready got its condition right at its start.
        since = ready.last_transition_time
        return since if since - status.start_time >= _START_TOLERANCE else None

    @property
    def failed(self) -> bool:
        """True when all containers have ended, at least one in failure, and none will be restarted."""
        return self.status.phase == "Failed"

    @property
    def failed_for_good(self) -> bool:
        """True when no other pod will replace it either."""
        owner = self.metadata.controller
        return self.failed and (owner is None or owner.kind not in _REPLACING_OWNERS)

    def evicted_at(self, now: datetime) -> datetime | None:
        """The time at which its kubelet evicted or refused it, to be replaced at once; None if it did not.

        Without a time in its status that is now.
        """
        owner = self.metadata.controller
        if owner is None or owner.kind not in _REPLACED_BY or not self._is_evicted:
            return None
        times = [condition.last_transition_time for condition in self.status.conditions or ()]
        return max((at for at in times if at is not None), default=now)

    @property
    def _is_evicted(self) -> bool:
        """Report an eviction. One of a program that ends with code 0 leaves no reason: the pod has succeeded, although
        the pods of its owner are always restarted.
        """
        succeeded = self.status.phase == "Succeeded" and self.metadata.deletion_timestamp is None
        return succeeded or (self.failed and self.status.reason in _EVICTED)

    @property
    def is_relevant(self) -> bool:
        """False where containers end because the pod does: deletion, completion, eviction, or loss of its node."""
        leaving = self.metadata.deletion_timestamp is not None
        ended = self.status.phase == "Succeeded" or (self.failed and self.status.reason != "")
        return not leaving and not ended
