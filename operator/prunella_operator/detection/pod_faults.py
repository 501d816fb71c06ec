"""`signals`: what is new about a pod in trouble, by comparing what it shows with what it showed before.

Level logic: what an event claims does not count, only what is seen, so a fault that happened while nobody watched is
found at the next list. Pure: the memory and the time are arguments. It reports; whether to heal is decided elsewhere.
"""

import sys
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from prunella_operator.detection.pod_status import CRASH_LOOP, ContainerStatus, Pod, Terminated
from prunella_workflows.model.incident import IncidentType
from prunella_workflows.model.signal import OwnerRef, Signal

OOM_KILLED = "OOMKilled"
_IMAGE = ("ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull")
_CONFIG = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
_WAITING = dict.fromkeys(_IMAGE, IncidentType.IMAGE_PULL_FAILURE) | dict.fromkeys(_CONFIG, IncidentType.CONFIG_ERROR)
# Terminations of a process that never ran: the container's settings are wrong, not its program.
_NEVER_RAN = frozenset({"StartError", "ContainerCannotRun"})
# A container that runs again although it once died is trouble only if that was lately: without this limit, every
# restart of ours would dig up each death of the past weeks.
_LATELY = timedelta(minutes=15)
_LONGEST_MESSAGE = 300
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_SECOND_DEATH = 2


class ContainerMemory(NamedTuple):
    """What is remembered of a container that was once in trouble."""

    name: str
    deaths: int = 0
    finished: datetime = _LONG_AGO  # its latest end
    told: bool = True  # whether that end was reported
    stuck: IncidentType | None = None  # what kept it from starting, until it ran


Memory = tuple[ContainerMemory, ...]  # of one pod; empty for nearly all, and then shared


class Fault(NamedTuple):
    """Trouble of one container."""

    type: IncidentType
    reason: str
    message: str
    fault_at: datetime | None = None


def signals(pod: Pod, known: Memory | None, at: datetime) -> tuple[tuple[Signal, ...], Memory]:
    """What is new about the pod compared with what is known (None: never seen before), and what to remember of it."""
    if not pod.worth_a_look:
        return (), known or ()
    before = {trace.name: trace for trace in known or ()}
    found: list[Signal] = []
    memory: list[ContainerMemory] = []
    for container in pod.status.all_containers:
        fresh = ContainerMemory(sys.intern(container.name))
        trace, findings = _compare(pod, container, before.get(container.name, fresh), at if known is None else None)
        found += [_signal(pod, container, finding, at) for finding in findings]
        if trace != fresh:
            memory.append(trace)
    return tuple(found), tuple(memory)


def _compare(
    pod: Pod, status: ContainerStatus, before: ContainerMemory, first_seen: datetime | None
) -> tuple[ContainerMemory, list[Fault]]:
    new = _new_ends(status, before)
    told = before.told and not new
    finding = None if told else _of_end(pod, status, new)
    if finding and first_seen and _is_history(pod, status, first_seen):
        finding, told = None, True
    stuck = _stuck(status, before.stuck)
    findings = [finding] if finding else []
    if status.waiting and stuck and stuck not in {before.stuck, *(found.type for found in findings)}:
        findings.append(Fault(stuck, status.waiting.reason, status.waiting.message))
    return ContainerMemory(
        before.name,
        max(before.deaths, status.deaths),
        max([before.finished, *(end.finished_at for end in status.ends if end.finished_at)]),
        told or finding is not None,
        stuck,
    ), findings


def _stuck(status: ContainerStatus, before: IncidentType | None) -> IncidentType | None:
    """What keeps the container from starting. Reasons alternate (ErrImagePull, ImagePullBackOff), the cause stays."""
    if status.waiting:
        return _WAITING.get(status.waiting.reason) or before
    never_ran = any(end.reason in _NEVER_RAN for end in status.ends[:1])
    return before if never_ran and not status.running else None


def _new_ends(status: ContainerStatus, before: ContainerMemory) -> tuple[Terminated, ...]:
    """The visible ends that are new. The count decides where the clock cannot: its unit is the second."""
    later = tuple(end for end in status.ends if end.finished_at and end.finished_at > before.finished)
    return later or (status.ends[:1] if status.deaths > before.deaths else ())


def _of_end(pod: Pod, status: ContainerStatus, new: tuple[Terminated, ...]) -> Fault | None:
    """What the ends say that were not reported yet: those that are new, or the one that a back-off now confirms."""
    ends = new or status.ends[:1]
    for end in ends:
        if end.reason == OOM_KILLED:
            return Fault(IncidentType.OOM_KILLED, OOM_KILLED, _died(end), end.finished_at)
    latest = next(iter(ends), None)
    if latest and latest.reason in _NEVER_RAN:
        return Fault(IncidentType.CONFIG_ERROR, latest.reason, _died(latest), latest.finished_at)
    if status.waiting and status.waiting.reason == CRASH_LOOP:
        fault_at = latest.finished_at if latest else None
        return Fault(IncidentType.POD_CRASH_LOOP, CRASH_LOOP, status.waiting.message, fault_at)
    # The back-off is shown late, up to minutes after the second death: that one is enough. So is one that was final.
    if latest and latest.exit_code and (status.deaths >= _SECOND_DEATH or pod.failed_for_good):
        return Fault(IncidentType.POD_CRASH_LOOP, latest.reason or "Error", _died(latest), latest.finished_at)
    return None


def _is_history(pod: Pod, status: ContainerStatus, at: datetime) -> bool:
    """What died long ago and runs again, or has not been meant to since."""
    ends = [end.finished_at for end in status.ends if end.finished_at]
    return (status.running or pod.failed) and all(at - end > _LATELY for end in ends)


def _died(end: Terminated) -> str:
    # Not the termination message: programs write what they like into it, secrets included.
    return f"exit code {end.exit_code}, {end.reason or 'no reason given'}"


def _signal(pod: Pod, container: ContainerStatus, finding: Fault, at: datetime) -> Signal:
    owner = pod.metadata.controller
    return Signal(
        source="pods",
        type=finding.type,
        namespace=pod.metadata.namespace,
        kind="Pod",
        name=pod.metadata.name,
        uid=pod.metadata.uid,
        owner=owner and OwnerRef(api_version=owner.api_version, kind=owner.kind, name=owner.name, uid=owner.uid),
        container=container.name,
        reason=finding.reason,
        message=finding.message[:_LONGEST_MESSAGE],
        restarts=container.restart_count,
        ignored=pod.metadata.ignored,
        fault_at=finding.fault_at,
        observed_at=at,
    )
