"""The next raise of a container's memory limit: one raise within every bound, or why there is none."""

import math

from prunella_workflows.decisions.diagnosis.disruption import expect_disruption
from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.diagnosis.symptoms import Kind, select_healthy
from prunella_workflows.decisions.playbooks.playbook import PlanCase, precondition, stuck_pods
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.incident_status import Attempt
from prunella_workflows.model.plan import Plan, PodRef, ResizePods, SetMemory
from prunella_workflows.model.policy import EffectivePolicy
from prunella_workflows.model.policy_limits import Resize
from prunella_workflows.model.quantity import format_bytes, parse_bytes
from prunella_workflows.model.workload import ContainerView, PodView

_MIB = 1 << 20
_KILLED = (Kind.OOM, Kind.CRASH)
_MAX_RAISES = 2
_MAX_RAISES_FOR_LEAK = 1  # it buys time for a person; the leak would use up a second one as well


def next_raise(container: ContainerView, case: PlanCase) -> SetMemory | ResizePods | None:
    """The next raise of this container's limit; None after enough raises or if a bound allows no more.

    The first raise resizes the running pods where the API server offers that, if the policy prefers it or a rollout
    would take away too many healthy pods.
    """
    assert container.memory_limit is not None
    evidence, raises = case.findings.evidence, _raises(container, case.tried)
    bound, _ = _upper_bound(container, evidence, case.policy)
    target = min(_raised(_owner_limit(container, case), len(raises) + 1, case.policy), bound)
    maximum = _MAX_RAISES_FOR_LEAK if container.name in evidence.memory_growing else _MAX_RAISES
    if target <= _highest_tried(container, raises) or len(raises) >= maximum:
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
        replace_pods=stuck_pods(case.findings),
    )
    return raised if raises or not _can_resize(container, evidence, case.policy) else _resize(raised, evidence)


def _can_resize(container: ContainerView, evidence: Evidence, policy: EffectivePolicy) -> bool:
    """Report whether all pods can be resized: each is on a node, has the template's limit, and runs the container.

    A kubelet resizes only a container that runs: one in back-off would be killed at its next start as before.
    """
    pods = evidence.live_pods
    return (
        ResizePods.__name__ in (policy.actions or (ResizePods.__name__,))
        and (policy.limits.resize is Resize.IN_PLACE or _rollout_disrupts(evidence))
        and evidence.bounds.resize_offered
        and not container.init
        and len(pods) == len(evidence.current_pods) == evidence.workload.replicas
        and all(pod.node and pod.memory_limits.get(container.name) == container.memory_limit for pod in pods)
        and all(_runs(pod, container.name) for pod in pods)
    )


def _rollout_disrupts(evidence: Evidence) -> bool:
    healthy = select_healthy(evidence.pods, evidence.read_at)
    return expect_disruption(evidence.workload, evidence.scaling, healthy) is not None


def _runs(pod: PodView, container: str) -> bool:
    return any(status.name == container and status.running_since is not None for status in pod.containers)


def _resize(raised: SetMemory, evidence: Evidence) -> ResizePods:
    pods = tuple(PodRef(name=pod.name, uid=pod.uid) for pod in evidence.current_pods)
    return ResizePods(**raised.model_dump(exclude={"kind", "init", "replace_pods"}), pods=pods)


def no_more_raises(container: ContainerView, case: PlanCase) -> Plan:
    """An empty plan that explains why there is no next raise."""
    if raises := _raises(container, case.tried):
        message = f"Container {container.name} ran out of memory again after {len(raises)} raise(s): it may be leaking."
        return escalate("MemoryLeakSuspected", message)
    _, by = _upper_bound(container, case.findings.evidence, case.policy)
    message = f"Container {container.name} has {format_bytes(container.memory_limit or 0)}, and {by} allows no more."
    return escalate("MemoryAtMaximum", message)


def find_overwritten_limit(container: ContainerView, findings: Findings) -> Plan | None:
    """An empty plan if the pods' limit is not the template's: something sets it, and a raise would not help.

    If some pods were killed, only theirs count: others may be older than the change of the limit.
    """
    pods = findings.evidence.current_pods
    symptoms = (symptom for symptom in findings.symptoms if symptom.container == container.name)
    killed = {symptom.pod for symptom in symptoms if symptom.kind in _KILLED} & {pod.name for pod in pods}
    limits = {pod.memory_limits.get(container.name) for pod in pods if pod.name in killed or not killed} - {None}
    if not limits or container.memory_limit in limits:
        return None
    actual = ", ".join(map(format_bytes, sorted(limit for limit in limits if limit is not None)))
    return escalate(
        "LimitOverwritten",
        f"The pods run with a memory limit of {actual}, not the template's "
        f"{format_bytes(container.memory_limit or 0)}: an admission webhook or a VerticalPodAutoscaler sets it, or it "
        "was changed in the running pods.",
    )


def find_short_node(container: ContainerView, findings: Findings) -> Plan | None:
    """An empty plan if the container stayed far below its limit: its node ran short, and more would make that worse."""
    evidence = findings.evidence
    if container.name not in evidence.memory_low:
        return None
    killed = {symptom.pod for symptom in findings.symptoms if symptom.container == container.name}
    nodes = " ".join(sorted({pod.node for pod in evidence.current_pods if pod.name in killed and pod.node}))
    return Plan(
        reason="NodeOutOfMemory",
        message=f"Container {container.name} was OOM-killed, but its memory stayed far below its limit: "
        f"node {nodes} ran short of memory.",
        next_step=f"See what uses the node's memory: kubectl describe node {nodes}",
    )


def explain_missing_limit(container: str, evidence: Evidence) -> Plan:
    """An empty plan: the template sets no limit to raise, though the pods may have one from elsewhere."""
    limits = {limit for pod in evidence.current_pods if (limit := pod.memory_limits.get(container)) is not None}
    if whole := _pod_limit(evidence):
        message = f"Container {container} has no memory limit; its pods have one of {format_bytes(whole)} as a whole."
        return escalate("NoMemoryLimit", message)
    if not limits:
        return escalate("NoMemoryLimit", "The container has no memory limit of its own: the node ran out of memory.")
    actual = ", ".join(map(format_bytes, sorted(limits)))
    source = f"its pods got {actual} from elsewhere, such as the default of a LimitRange"
    return escalate("NoMemoryLimit", f"The template sets no memory limit for container {container}; {source}.")


def escalate(reason: str, message: str) -> Plan:
    """An empty plan: a person sets the limit."""
    return Plan(reason=reason, message=message, next_step="Check the container's memory usage, then set its limit.")


def _raises(container: ContainerView, tried: tuple[Attempt, ...]) -> list[Attempt]:
    kinds = (SetMemory.__name__, ResizePods.__name__)
    return [
        attempt
        for attempt in tried
        if attempt.action in kinds and attempt.parameters.get("container") == container.name
    ]


def _highest_tried(container: ContainerView, raises: list[Attempt]) -> int:
    """The highest limit that was rolled out. A resize of running pods may have failed for another reason."""
    rolled_out = (attempt for attempt in raises if attempt.action == SetMemory.__name__)
    return max([container.memory_limit or 0, *(parse_bytes(attempt.parameters["to"]) for attempt in rolled_out)])


def _owner_limit(container: ContainerView, case: PlanCase) -> int:
    """The limit that the owner set: the live one, unless a raise of an earlier incident is still in force."""
    raises, held = _raises(container, case.tried), case.in_force
    if held is not None and held.attempt in raises:
        return parse_bytes(raises[0].parameters["from"])
    return container.memory_limit or 0


def _raised(limit: int, nth: int, policy: EffectivePolicy) -> int:
    """The n-th raise in whole MiB, as the Vertical Pod Autoscaler's after an OOM kill: by a factor or minimum step."""
    assert policy.limits.memory_factor is not None
    assert policy.limits.memory_min_step is not None
    grown = max(limit * policy.limits.memory_factor**nth, limit + nth * policy.limits.memory_min_step)
    return math.ceil(grown / _MIB) * _MIB


def _upper_bound(container: ContainerView, evidence: Evidence, policy: EffectivePolicy) -> tuple[int, str]:
    """The lowest of all bounds and its name."""
    assert policy.limits.memory_max is not None
    limit, bounds = container.memory_limit or 0, evidence.bounds
    pods = max(1, evidence.workload.replicas) + 1  # one more during the rollout (surge)
    surge = [view for view in evidence.workload.containers if not view.init or view is container]
    candidates = [(policy.limits.memory_max, "the policy's limits.memoryMax")]
    if bounds.node_max is not None:
        candidates.append((bounds.node_max, "the memory of the largest node"))
    if whole := _pod_limit(evidence):
        others = sum(view.memory_limit or 0 for view in evidence.workload.containers if not view.init) - limit
        candidates.append((max(limit, whole - others), "the memory limit of the pod as a whole"))
    if bounds.container_max is not None:
        candidates.append((bounds.container_max, "the namespace's LimitRange"))
    if bounds.ratio_max is not None and container.memory_request and not _request_follows(container):
        candidates.append((int(container.memory_request * bounds.ratio_max), "the namespace's LimitRange"))
    if bounds.quota_limits_free is not None:
        free = _share_per_pod(bounds.quota_limits_free - sum(view.memory_limit or 0 for view in surge), pods)
        candidates.append((limit + free, "the ResourceQuota of limits.memory"))
    if bounds.quota_requests_free is not None and _request_follows(container):
        free = _share_per_pod(bounds.quota_requests_free - sum(view.requested_memory or 0 for view in surge), pods)
        candidates.append((limit + free, "the ResourceQuota of requests.memory"))
    return min(candidates)


def _pod_limit(evidence: Evidence) -> int | None:
    """The memory limit of the current pods as a whole, which no container may exceed."""
    return min((pod.memory_limit for pod in evidence.current_pods if pod.memory_limit is not None), default=None)


def _share_per_pod(free: int, pods: int) -> int:
    """The growth allowed for each pod, in whole MiB, if `free` bytes are left for all of them."""
    return max(0, free) // pods // _MIB * _MIB


def _request_follows(container: ContainerView) -> bool:
    """Report whether the request rises with the limit: to keep the QoS class, or as the API server's default for it."""
    return container.memory_request in (None, container.memory_limit)
