"""`detect_faults`: new faults of a pod, found by comparing its status with what was remembered of it.

Only the status counts, never the type of the event: a fault during a gap of the watch is found by the next list.
"""

import sys
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from prunella_operator.detection.pod_status import CRASH_LOOP, ContainerStatus, Pod, Terminated
from prunella_workflows.model.incident import IncidentType
from prunella_workflows.model.redaction import redact
from prunella_workflows.model.signal import OwnerRef, Signal

OOM_KILLED = "OOMKilled"
_IMAGE = ("ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull")
_CONFIG = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
_WAITING = dict.fromkeys(_IMAGE, IncidentType.IMAGE_PULL_FAILURE) | dict.fromkeys(_CONFIG, IncidentType.CONFIG_ERROR)
# Terminations of a process that never ran: the container's settings are wrong, not its program.
_NEVER_RAN = frozenset({"StartError", "ContainerCannotRun"})
# A termination before a container's current run is a fault only if it is recent. Without this limit, every restart of
# the operator would report all terminations of the past weeks again.
_RECENT = timedelta(minutes=15)
_MAX_MESSAGE_LENGTH = 300  # characters
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_CRASH_LOOP_TERMINATIONS = 2


class ContainerMemory(NamedTuple):
    """The remembered state of a container that has had a fault."""

    name: str
    terminations: int = 0
    last_finished: datetime = _LONG_AGO
    reported: bool = True  # whether the latest termination was reported
    start_blocker: IncidentType | None = None  # what kept it from starting, until it ran


Memory = tuple[ContainerMemory, ...]  # of one pod; empty for nearly all, and then shared


class Fault(NamedTuple):
    """A fault of one container."""

    type: IncidentType
    reason: str
    message: str
    fault_at: datetime | None = None


def detect_faults(pod: Pod, known: Memory | None, at: datetime) -> tuple[tuple[Signal, ...], Memory]:
    """Signals for the pod's new faults, and the memory to pass next time. `known` is None for a pod seen first."""
    if not pod.is_relevant:
        return (), known or ()
    before = {memory.name: memory for memory in known or ()}
    signals: list[Signal] = []
    memories: list[ContainerMemory] = []
    for container in pod.status.all_containers:
        fresh = ContainerMemory(sys.intern(container.name))
        memory, faults = _compare(pod, container, before.get(container.name, fresh), at if known is None else None)
        signals += [_signal(pod, container, fault, at) for fault in faults]
        if memory != fresh:
            memories.append(memory)
    return tuple(signals), tuple(memories)


def _compare(
    pod: Pod, status: ContainerStatus, before: ContainerMemory, first_seen: datetime | None
) -> tuple[ContainerMemory, list[Fault]]:
    new = _new_terminations(status, before)
    reported = before.reported and not new
    fault = None if reported else _termination_fault(pod, status, new)
    if fault and first_seen and _is_history(pod, status, first_seen):
        fault, reported = None, True
    blocker = _start_blocker(status, before.start_blocker)
    faults = [fault] if fault else []
    if status.waiting and blocker and blocker not in {before.start_blocker, *(fault.type for fault in faults)}:
        faults.append(Fault(blocker, status.waiting.reason, status.waiting.message))
    return ContainerMemory(
        before.name,
        max(before.terminations, status.terminations),
        max([before.last_finished, *_finish_times(status)]),
        reported or fault is not None,
        blocker,
    ), faults


def _finish_times(status: ContainerStatus) -> list[datetime]:
    return [state.finished_at for state in status.terminated_states if state.finished_at]


def _start_blocker(status: ContainerStatus, before: IncidentType | None) -> IncidentType | None:
    """The fault that keeps the container from starting. Reasons alternate (ErrImagePull, ImagePullBackOff)."""
    if status.waiting:
        return _WAITING.get(status.waiting.reason) or before
    never_ran = any(state.reason in _NEVER_RAN for state in status.terminated_states[:1])
    return before if never_ran and not status.running else None


def _new_terminations(status: ContainerStatus, before: ContainerMemory) -> tuple[Terminated, ...]:
    """The visible terminations that are new. Their count decides where times, which have whole seconds, cannot."""
    states = status.terminated_states
    later = tuple(state for state in states if state.finished_at and state.finished_at > before.last_finished)
    return later or (states[:1] if status.terminations > before.terminations else ())


def _termination_fault(pod: Pod, status: ContainerStatus, new: tuple[Terminated, ...]) -> Fault | None:
    """The fault shown by unreported terminations: the new ones, or the latest, which a back-off now confirms."""
    states = new or status.terminated_states[:1]
    for state in states:
        if state.reason == OOM_KILLED:
            return Fault(IncidentType.OOM_KILLED, OOM_KILLED, _describe(state), state.finished_at)
    latest = next(iter(states), None)
    if latest and latest.reason in _NEVER_RAN:
        return Fault(IncidentType.CONFIG_ERROR, latest.reason, _describe(latest), latest.finished_at)
    if status.waiting and status.waiting.reason == CRASH_LOOP:
        fault_at = latest.finished_at if latest else None
        return Fault(IncidentType.POD_CRASH_LOOP, CRASH_LOOP, status.waiting.message, fault_at)
    # The back-off may appear minutes after the second failure, so that failure is enough. So is a final one.
    if latest and latest.exit_code and (status.terminations >= _CRASH_LOOP_TERMINATIONS or pod.failed_for_good):
        return Fault(IncidentType.POD_CRASH_LOOP, latest.reason or "Error", _describe(latest), latest.finished_at)
    return None


def _is_history(pod: Pod, status: ContainerStatus, at: datetime) -> bool:
    """True for old terminations of a container that runs again, or that is not meant to."""
    return (status.running or pod.failed) and all(at - finished > _RECENT for finished in _finish_times(status))


def _describe(state: Terminated) -> str:
    # Without the termination message: programs write what they like into it, secrets included.
    return f"exit code {state.exit_code}, {state.reason or 'no reason given'}"


def _signal(pod: Pod, container: ContainerStatus, fault: Fault, at: datetime) -> Signal:
    owner = pod.metadata.controller
    return Signal(
        source="pods",
        type=fault.type,
        namespace=pod.metadata.namespace,
        kind="Pod",
        name=pod.metadata.name,
        uid=pod.metadata.uid,
        owner=owner and OwnerRef(api_version=owner.api_version, kind=owner.kind, name=owner.name, uid=owner.uid),
        container=container.name,
        reason=fault.reason,
        message=redact(fault.message)[:_MAX_MESSAGE_LENGTH],
        restarts=container.restart_count,
        ignored=pod.metadata.ignored,
        fault_at=fault.fault_at,
        observed_at=at,
    )
