"""How far a container's memory limit may be raised: one raise within every bound, or why there is none.

Factor and minimum step follow the Vertical Pod Autoscaler's OOM bump (the larger of a factor and an absolute step).
"""

import math

from prunella_workflows.decisions.diagnosis.symptoms import Kind, symptoms
from prunella_workflows.decisions.playbooks.playbook import precondition, stuck_pods
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.incident_status import Attempt
from prunella_workflows.model.plan import Plan, PodRef, ResizePods, SetMemory
from prunella_workflows.model.policy import EffectivePolicy, Resize
from prunella_workflows.model.quantity import format_bytes, parse_bytes
from prunella_workflows.model.workload import ContainerView, PodView

_MIB = 1 << 20
_KILLED = (Kind.OOM, Kind.CRASH)
_MAX_RAISES = 2
_MAX_RAISES_OF_A_LEAK = 1  # it gives a person time; a second one would only be eaten as well


def next_raise(
    container: ContainerView, evidence: Evidence, policy: EffectivePolicy, tried: tuple[Attempt, ...]
) -> SetMemory | ResizePods | None:
    """The next raise of this container's limit; None when there was enough of it or a bound allows no more.

    The first one is made in the running pods where that is offered and preferred.
    """
    assert container.memory_limit is not None
    raises = _raises(container, tried)
    bound, _ = _upper_bound(container, evidence, policy)
    target = min(_wanted(container.memory_limit, len(raises) + 1, policy), bound)
    most = _MAX_RAISES_OF_A_LEAK if container.name in evidence.memory_growing else _MAX_RAISES
    if target <= _highest_tried(container, raises) or len(raises) >= most:
        return None
    raised = SetMemory(
        target=evidence.workload.ref,
        require=precondition(evidence),
        container=container.name,
        init=container.init,
        limit_from=container.memory_limit,
        limit_to=target,
        request_from=container.memory_request,
        request_to=target if container.memory_request == container.memory_limit else container.memory_request,
        replace_pods=stuck_pods(evidence),
    )
    return raised if raises or not _in_place(container, evidence, policy) else _resize(raised, evidence)


def _in_place(container: ContainerView, evidence: Evidence, policy: EffectivePolicy) -> bool:
    """Whether the running pods can take more memory: all of them, each with the template's limit on a node.

    A kubelet gives more only to a container that runs: one in back-off is killed at its next start as before.
    """
    wanted = policy.limits.resize is Resize.IN_PLACE and ResizePods.__name__ in (policy.actions or ("ResizePods",))
    pods = evidence.live_pods
    return (
        wanted
        and evidence.bounds.resize_offered
        and not container.init
        and len(pods) == len(evidence.current_pods) == evidence.workload.replicas
        and all(pod.node and pod.memory_limits.get(container.name) == container.memory_limit for pod in pods)
        and all(_runs(pod, container.name) for pod in pods)
    )


def _runs(pod: PodView, container: str) -> bool:
    return any(one.name == container and one.running_since is not None for one in pod.containers)


def _resize(raised: SetMemory, evidence: Evidence) -> ResizePods:
    pods = tuple(PodRef(name=pod.name, uid=pod.uid) for pod in evidence.current_pods)
    return ResizePods(**raised.model_dump(exclude={"kind", "init", "replace_pods"}), pods=pods)


def no_more(container: ContainerView, evidence: Evidence, policy: EffectivePolicy, tried: tuple[Attempt, ...]) -> Plan:
    """Why there is no next raise."""
    if raises := _raises(container, tried):
        return hand_over(
            "MemoryLeakSuspected",
            f"Container {container.name} is short of memory again after {len(raises)} raise(s): it may be leaking.",
        )
    _, by = _upper_bound(container, evidence, policy)
    return hand_over(
        "MemoryAtMaximum",
        f"Container {container.name} has {format_bytes(container.memory_limit or 0)} and {by} allows no more.",
    )


def overwritten(container: ContainerView, evidence: Evidence) -> Plan | None:
    """A pod whose limit is not the template's was changed on admission: raising the template would not help.

    Where some pods were killed, theirs counts: others may have been made before anybody changed limits.
    """
    pods = evidence.current_pods
    killed = {
        symptom.pod for symptom in symptoms(pods) if symptom.container == container.name and symptom.kind in _KILLED
    }
    limits = {pod.memory_limits.get(container.name) for pod in pods if pod.name in killed or not killed} - {None}
    if not limits or container.memory_limit in limits:
        return None
    seen = ", ".join(format_bytes(limit) for limit in sorted(one for one in limits if one is not None))
    return hand_over(
        "LimitOverwritten",
        f"The pods run with a memory limit of {seen}, not the template's {format_bytes(container.memory_limit or 0)}: "
        "an admission webhook or a VerticalPodAutoscaler sets it, or it was changed in the running pods.",
    )


def unlimited(container: str, evidence: Evidence) -> Plan:
    """The template sets no limit that could be raised; the pods may have one from elsewhere."""
    limits = {limit for pod in evidence.current_pods if (limit := pod.memory_limits.get(container)) is not None}
    if not limits:
        return hand_over("NoMemoryLimit", "The container has no memory limit of its own: the node ran out of memory.")
    seen = ", ".join(map(format_bytes, sorted(limits)))
    return hand_over(
        "NoMemoryLimit",
        f"The template sets no memory limit for container {container}; its pods got {seen} from elsewhere, such as the "
        "default of a LimitRange.",
    )


def hand_over(reason: str, message: str) -> Plan:
    """A person sets the limit."""
    return Plan(reason=reason, message=message, next_step="Look at the container's memory use, then set its limit.")


def _raises(container: ContainerView, tried: tuple[Attempt, ...]) -> list[Attempt]:
    kinds = (SetMemory.__name__, ResizePods.__name__)
    return [
        attempt
        for attempt in tried
        if attempt.action in kinds and attempt.parameters.get("container") == container.name
    ]


def _highest_tried(container: ContainerView, raises: list[Attempt]) -> int:
    """The highest limit that was rolled out; what was only tried in place may have failed for another reason."""
    rolled_out = (one for one in raises if one.action == SetMemory.__name__)
    return max([container.memory_limit or 0, *(parse_bytes(one.parameters["to"]) for one in rolled_out)])


def _wanted(limit: int, nth: int, policy: EffectivePolicy) -> int:
    """The n-th raise of `limit`, rounded up to whole MiB."""
    assert policy.limits.memory_factor is not None
    assert policy.limits.memory_min_step is not None
    grown = max(limit * policy.limits.memory_factor**nth, limit + nth * policy.limits.memory_min_step)
    return math.ceil(grown / _MIB) * _MIB


def _upper_bound(container: ContainerView, evidence: Evidence, policy: EffectivePolicy) -> tuple[int, str]:
    """The lowest of all bounds and its name."""
    assert policy.limits.memory_max is not None
    limit, bounds = container.memory_limit or 0, evidence.bounds
    pods = max(1, evidence.workload.replicas) + 1  # one more during the rollout (surge)
    surge = sum(one.memory_limit or 0 for one in evidence.workload.containers if not one.init or one is container)
    candidates = [(policy.limits.memory_max, "the policy's limits.memoryMax")]
    if bounds.node_max is not None:
        candidates.append((bounds.node_max, "the memory of the largest node"))
    if bounds.container_max is not None:
        candidates.append((bounds.container_max, "the namespace's LimitRange"))
    if bounds.ratio_max is not None and container.memory_request and not _request_follows(container):
        candidates.append((int(container.memory_request * bounds.ratio_max), "the namespace's LimitRange"))
    if bounds.quota_limits_free is not None:
        candidates.append((limit + _part(bounds.quota_limits_free - surge, pods), "the ResourceQuota of limits.memory"))
    if bounds.quota_requests_free is not None and _request_follows(container):
        free = _part(bounds.quota_requests_free - _requested(evidence, container), pods)
        candidates.append((limit + free, "the ResourceQuota of requests.memory"))
    return min(candidates)


def _requested(evidence: Evidence, container: ContainerView) -> int:
    """What one more pod requests; a container that names no request requests its limit."""
    requests = (
        (one.memory_request if one.memory_request is not None else one.memory_limit) or 0
        for one in evidence.workload.containers
        if not one.init or one is container
    )
    return sum(requests)


def _part(free: int, pods: int) -> int:
    """What each pod may grow by, in whole MiB, when `free` bytes are left for all of them."""
    return max(0, free) // pods // _MIB * _MIB


def _request_follows(container: ContainerView) -> bool:
    """A request equal to the limit is raised with it, so that the pod keeps its QoS class; one that is not set follows
    by itself, as the API server gives the pod its limit.
    """
    return container.memory_request in (None, container.memory_limit)
