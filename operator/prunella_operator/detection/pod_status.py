"""A pod as the sensor reads it: only the fields that tell of trouble, and the questions that are asked of them.

This is the wire, not our model: decoded, asked, dropped.
"""

from datetime import datetime, timedelta

from prunella_operator.kubernetes.decoding import Metadata, WireStruct

CRASH_LOOP = "CrashLoopBackOff"
_STARTING = timedelta(seconds=5)
# A ReplicaSet and its like make another pod at once; a Job tries again, and its own end is what counts.
_GOES_ON = frozenset({"ReplicaSet", "StatefulSet", "DaemonSet", "ReplicationController", "Job"})


class Waiting(WireStruct, frozen=True):
    """Why a container is not started."""

    reason: str = ""
    message: str = ""


class Terminated(WireStruct, frozen=True):
    """How a container ended."""

    exit_code: int
    reason: str = ""
    finished_at: datetime | None = None


class State(WireStruct, frozen=True):
    """What a container does, or did last; all None while it runs."""

    waiting: Waiting | None = None
    terminated: Terminated | None = None


class ContainerStatus(WireStruct, frozen=True):
    """One container, init container or sidecar of a pod."""

    name: str
    ready: bool = False
    restart_count: int = 0
    state: State | None = None
    last_state: State | None = None

    @property
    def waiting(self) -> Waiting | None:
        """Why it is not started, if so."""
        return self.state.waiting if self.state else None

    @property
    def running(self) -> bool:
        """Whether it runs now."""
        return self.state is not None and self.state.waiting is None and self.state.terminated is None

    @property
    def ends(self) -> tuple[Terminated, ...]:
        """The terminations that can be seen, the latest first."""
        ends = (state.terminated for state in (self.state, self.last_state) if state)
        return tuple(end for end in ends if end)

    @property
    def deaths(self) -> int:
        """How often it has ended. The restart that follows an end is counted only when it happens."""
        dead = (self.state and self.state.terminated) or (self.waiting and self.waiting.reason == CRASH_LOOP)
        return self.restart_count + bool(dead)


class PodCondition(WireStruct, frozen=True):
    """A condition of a pod."""

    type: str = ""
    status: str = ""
    last_transition_time: datetime | None = None


class PodStatus(WireStruct, frozen=True):
    """The part of a pod's status that tells of trouble."""

    phase: str = ""
    reason: str = ""
    start_time: datetime | None = None
    conditions: tuple[PodCondition, ...] | None = None
    container_statuses: tuple[ContainerStatus, ...] | None = None
    init_container_statuses: tuple[ContainerStatus, ...] | None = None

    @property
    def all_containers(self) -> tuple[ContainerStatus, ...]:
        """Init containers and sidecars first, as they start."""
        return (self.init_container_statuses or ()) + (self.container_statuses or ())


class Pod(WireStruct, frozen=True):
    """A pod as the sensor sees it."""

    metadata: Metadata
    status: PodStatus = PodStatus()

    @property
    def silent_since(self) -> datetime | None:
        """Since when a pod that was ready once is not, although all its containers run."""
        status = self.status
        containers = status.container_statuses or ()
        if status.phase != "Running" or not all(container.running for container in containers):
            return None
        if all(container.ready for container in containers):
            return None  # its node is lost: the control plane says "not ready", the kubelet's last word was "ready"
        ready = next((condition for condition in status.conditions or () if condition.type == "Ready"), None)
        if ready is None or ready.status != "False" or not ready.last_transition_time or not status.start_time:
            return None
        # A pod that never was ready got its condition right at its start.
        return ready.last_transition_time if ready.last_transition_time - status.start_time >= _STARTING else None

    @property
    def failed(self) -> bool:
        """Whether all its containers have ended, one of them badly, and none will be started again."""
        return self.status.phase == "Failed"

    @property
    def failed_for_good(self) -> bool:
        """Whether nobody goes on in its place either."""
        owner = self.metadata.controller
        return self.failed and (owner is None or owner.kind not in _GOES_ON)

    @property
    def worth_a_look(self) -> bool:
        """False where containers end because the pod does: by deletion, completion, eviction, loss of its node."""
        leaving = self.metadata.deletion_timestamp is not None
        ended = self.status.phase == "Succeeded" or (self.failed and self.status.reason != "")
        return not leaving and not ended
