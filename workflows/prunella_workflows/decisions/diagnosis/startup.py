"""Pods that were never ready, and pods that were never created: the time after which that is a fault.

The owner's settings count first (deadline, probes), then how long other pods took. While enough replicas serve, a start
may take until the owner's deadline, and so may an init container that runs. A container that initialises gets more time
than others, and one that is not even created gets all of it, unless the kubelet reports what it waits for.
"""

from datetime import datetime, timedelta

from prunella_workflows.model.base import Value
from prunella_workflows.model.evidence import EventView, Evidence
from prunella_workflows.model.workload import ContainerStatusView, PodView

MIN_STARTUP_TIME = timedelta(minutes=2)
_INIT_TIME = timedelta(minutes=5)
_TIME_WITHOUT_PEERS = timedelta(minutes=5)
"""For a pod that has no ready peers to be compared with."""
_MAX_STARTUP_TIME = timedelta(minutes=10)
_PEER_FACTOR = 2
NODE_ASKED_FOR = ("TriggeredScaleUp", "Nominated")
"""Event reasons of the cluster autoscaler and Karpenter for a pod for which they provision a node."""

_NODE_PROVISIONING_TIMEOUT = timedelta(minutes=10)
_BLOCKING_REASONS = frozenset({"FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox", "FailedMapVolume"})
_FAILED_CREATE = "FailedCreate"
_MISSING_GRACE = timedelta(minutes=1)
_RECENT = timedelta(minutes=10)


class RunningInit(Value):
    """An init container that runs, and the end of the time that the owner's deadline gives its pod."""

    pod: str
    container: str
    until: datetime


def startup_overdue(pod: PodView, evidence: Evidence) -> bool:
    """Report whether a pod that never was ready has been starting for longer than it may."""
    since = pod.created_at
    return since is not None and evidence.read_at - since >= _startup_time(pod, evidence)


def serves(evidence: Evidence) -> bool:
    """Report whether as many replicas are available as a rolling update by the owner's strategy leaves."""
    workload, strategy = evidence.workload, evidence.workload.strategy
    spared = strategy.max_unavailable if strategy.kind == "RollingUpdate" else 0
    return workload.available_replicas >= max(1, workload.replicas - spared)


def running_init_container(pod: PodView) -> ContainerStatusView | None:
    """The init container that runs for the first time. It may be half-way through a migration."""
    if not _is_initialising(pod):
        return None
    first = (status for status in pod.containers if status.init and status.running_since and not status.terminations)
    return next((status for status in first if not status.ready), None)  # a sidecar is ready while it runs


def find_running_init(evidence: Evidence) -> RunningInit | None:
    """The init container of the current revision that a rollout would interrupt."""
    deadline = timedelta(seconds=evidence.workload.deadline)
    for pod in evidence.current_pods:
        status = running_init_container(pod)
        if status is not None and pod.created_at is not None:
            return RunningInit(pod=pod.name, container=status.name, until=pod.created_at + deadline)
    return None


def patient_until(evidence: Evidence) -> datetime | None:
    """The end of the time that pods of the current revision may still take to start; None if none of them starts."""
    if evidence.past_deadline:
        return None
    starting = (pod for pod in evidence.current_pods if _may_start(pod, evidence))
    ends = [pod.created_at + _startup_time(pod, evidence) for pod in starting if pod.created_at is not None]
    return min((end for end in ends if end > evidence.read_at), default=None)


def _may_start(pod: PodView, evidence: Evidence) -> bool:
    new = not pod.ready and pod.unready_since is None and not pod.unschedulable
    return new and startup_blocker(pod, evidence) is None and _is_patient(pod, evidence)


def _is_patient(pod: PodView, evidence: Evidence) -> bool:
    """Report whether the owner's deadline decides: no user misses the pod, or it must not be interrupted."""
    return serves(evidence) or running_init_container(pod) is not None


def within_probe_budget(pod: PodView, evidence: Evidence) -> bool:
    """Report whether a pod that never was ready still has time by its own probes, whatever the deadline."""
    if pod.unready_since is not None:
        return False
    starts = (container.running_since for container in pod.containers if container.running_since)
    since = max(starts, default=pod.created_at)
    return since is not None and evidence.read_at - since < timedelta(seconds=evidence.workload.start_budget)


def is_unexplained(pod: PodView, evidence: Evidence) -> bool:
    """Report whether nothing says yet why a young pod has not begun to run: Events of a busy kubelet come late."""
    return not _has_run(pod) and startup_blocker(pod, evidence) is None and _is_young(pod, evidence)


def node_is_coming(pod: PodView, evidence: Evidence) -> bool:
    """Report whether an autoscaler recently reported that it provisions a node for this pod."""
    times = (event.at for event in evidence.events if event.about == pod.name and event.reason in NODE_ASKED_FOR)
    return any(at is not None and evidence.read_at - at < _NODE_PROVISIONING_TIMEOUT for at in times)


def needs_events(evidence: Evidence) -> bool:
    """Report whether only Events can explain the fault: pods are not created, or have no containers or node."""
    waiting = [pod for pod in evidence.live_pods if not _has_run(pod) and not pod.ready]
    overdue = any(evidence.past_deadline or not _is_young(pod, evidence) for pod in waiting)
    return overdue or evidence.workload.total_replicas < evidence.workload.replicas


def _is_young(pod: PodView, evidence: Evidence) -> bool:
    return pod.created_at is None or evidence.read_at - pod.created_at < MIN_STARTUP_TIME


def _startup_time(pod: PodView, evidence: Evidence) -> timedelta:
    budget = timedelta(seconds=evidence.workload.start_budget)
    time = max(_peer_time(evidence), budget, _time_by_deadline(evidence))
    if startup_blocker(pod, evidence) is not None:
        return time
    if not _has_run(pod):
        return max(time, _MAX_STARTUP_TIME)
    if _is_patient(pod, evidence):
        return max(time, timedelta(seconds=evidence.workload.deadline))
    return max(time, _INIT_TIME) if _is_initialising(pod) else time


def _peer_time(evidence: Evidence) -> timedelta:
    """Twice the startup time of the quickest ready pod. One that was ready more than once seems to have been slower."""
    pods = evidence.live_pods
    times = [pod.ready_since - pod.created_at for pod in pods if pod.created_at and pod.ready_since]
    return min(max(MIN_STARTUP_TIME, _PEER_FACTOR * min(times)), _MAX_STARTUP_TIME) if times else _TIME_WITHOUT_PEERS


def _time_by_deadline(evidence: Evidence) -> timedelta:
    """A deadline longer than the default was set by an owner who knows that the start takes that long."""
    deadline = timedelta(seconds=evidence.workload.deadline)
    return deadline if deadline > _MAX_STARTUP_TIME else MIN_STARTUP_TIME


def _has_run(pod: PodView) -> bool:
    return any(container.running_since or container.terminations for container in pod.containers)


def _is_initialising(pod: PodView) -> bool:
    return not any(container.running_since for container in pod.containers if not container.init)


def startup_blocker(pod: PodView, evidence: Evidence) -> EventView | None:
    """The kubelet's latest Event about why the pod's containers cannot be created."""
    events = [event for event in evidence.events if event.about == pod.name and event.reason in _BLOCKING_REASONS]
    return None if _has_run(pod) or not events else events[-1]


def pod_creation_error(evidence: Evidence) -> str:
    """The API server's reason for refusing the pods; "" when they can be created."""
    workload, now = evidence.workload, evidence.read_at
    if workload.ref.kind == "Deployment":
        since = workload.create_failed_since
        return workload.create_failure if since is not None and now - since >= _MISSING_GRACE else ""
    if workload.total_replicas >= workload.replicas:
        return ""
    about = (workload.ref.name, _FAILED_CREATE)
    newest = next((event for event in reversed(evidence.events) if (event.about, event.reason) == about), None)
    recent = newest is not None and newest.at is not None and now - newest.at < _RECENT
    return newest.message if newest is not None and recent else ""
