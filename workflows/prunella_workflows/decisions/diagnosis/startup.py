"""Pods that were never ready, and pods that are not even made: when is that a fault, and no longer a start?

Nobody can tell a slow start from one that never ends but by time. So the owner's own words count first (deadline,
probes), then what the workload's other pods took; a container that prepares something gets more time, and one that is
not even created gets all of it, unless the kubelet says what it waits for.
"""

from datetime import timedelta

from prunella_workflows.model.evidence import EventView, Evidence
from prunella_workflows.model.workload import PodView

LEAST = timedelta(minutes=2)
_PREPARES = timedelta(minutes=5)
_ALONE = timedelta(minutes=5)
"""A pod that has no ready fellows to be compared with."""
_DEADLINE = timedelta(minutes=10)
_TWICE = 2
NODE_ASKED_FOR = ("TriggeredScaleUp", "Nominated")
"""What the cluster autoscaler and Karpenter say of a pod for which they get a node."""

_NODE_WITHIN = timedelta(minutes=10)
_CANNOT_START = frozenset({"FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox", "FailedMapVolume"})
_NOT_MADE = "FailedCreate"
_MISSING_FOR = timedelta(minutes=1)
_RECENT = timedelta(minutes=10)


def too_long(pod: PodView, evidence: Evidence) -> bool:
    """Whether a pod that never was ready has been starting for longer than it may."""
    since = pod.created_at
    return since is not None and evidence.read_at - since >= _patience(pod, evidence)


def granted(pod: PodView, evidence: Evidence) -> bool:
    """Whether a pod that never was ready still has the time that its own probes grant it, whatever the deadline."""
    if pod.unready_since is not None:
        return False
    since = max(
        [container.running_since for container in pod.containers if container.running_since], default=pod.created_at
    )
    return since is not None and evidence.read_at - since < timedelta(seconds=evidence.workload.start_budget)


def node_is_coming(pod: PodView, evidence: Evidence) -> bool:
    """Whether an autoscaler said of late that it gets a node for this pod."""
    told = (event.at for event in evidence.events if event.about == pod.name and event.reason in NODE_ASKED_FOR)
    return any(at is not None and evidence.read_at - at < _NODE_WITHIN for at in told)


def unclear(evidence: Evidence) -> bool:
    """Whether only Events can tell what is wrong: pods that nobody creates, or that have no containers or node yet."""
    waiting = (pod for pod in evidence.live_pods if not _created(pod) and not pod.ready)
    old = any(pod.created_at is not None and evidence.read_at - pod.created_at >= LEAST for pod in waiting)
    return old or evidence.workload.total_replicas < evidence.workload.replicas


def _patience(pod: PodView, evidence: Evidence) -> timedelta:
    patient = max(_usual(evidence), timedelta(seconds=evidence.workload.start_budget), _owners(evidence))
    if obstacle(pod, evidence) is not None:
        return patient
    if not _created(pod):
        return max(patient, _DEADLINE)
    return max(patient, _PREPARES) if _prepares(pod) else patient


def _usual(evidence: Evidence) -> timedelta:
    """Twice what a ready pod took: the quickest, as one that was ready more than once seems to have taken longer."""
    pods = evidence.live_pods
    took = [pod.ready_since - pod.created_at for pod in pods if pod.created_at and pod.ready_since]
    return min(max(LEAST, _TWICE * min(took)), _DEADLINE) if took else _ALONE


def _owners(evidence: Evidence) -> timedelta:
    """A deadline that is longer than the usual one was set by somebody who knows that it takes that long."""
    deadline = timedelta(seconds=evidence.workload.deadline)
    return deadline if deadline > _DEADLINE else LEAST


def _created(pod: PodView) -> bool:
    return any(container.running_since or container.terminations for container in pod.containers)


def _prepares(pod: PodView) -> bool:
    return not any(container.running_since for container in pod.containers if not container.init)


def obstacle(pod: PodView, evidence: Evidence) -> EventView | None:
    """What the kubelet says keeps the pod's containers from being created."""
    told = [event for event in evidence.events if event.about == pod.name and event.reason in _CANNOT_START]
    return None if _created(pod) or not told else told[-1]


def not_made(evidence: Evidence) -> str:
    """Why pods that are wanted cannot be made, in the API server's words; "" when they can."""
    workload, now = evidence.workload, evidence.read_at
    if workload.ref.kind == "Deployment":
        since = workload.create_failed_since
        return workload.create_failure if since is not None and now - since >= _MISSING_FOR else ""
    if workload.total_replicas >= workload.replicas:
        return ""
    told = [event for event in evidence.events if (event.about, event.reason) == (workload.ref.name, _NOT_MADE)]
    newest = told[-1] if told else None
    lately = newest is not None and newest.at is not None and now - newest.at < _RECENT
    return newest.message if newest is not None and lately else ""
