"""A container needs more memory than its limit: raise that container's limit within every bound, or hand over.

Factor and minimum step follow the Vertical Pod Autoscaler's OOM bump (the larger of a factor and an absolute step).
A relapse after a raise is a sign of a leak: one further raise, then a rollback if the release is new, then a person.
"""

import math

from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.incident import Attempt, IncidentType
from prunella_workflows.model.outcome import Cause, Diagnosis, Rejected
from prunella_workflows.model.plan import Plan, SetMemory, Step
from prunella_workflows.model.policy import EffectivePolicy
from prunella_workflows.model.quantity import format_bytes, parse_bytes
from prunella_workflows.model.workload import ContainerView
from prunella_workflows.playbooks.playbook import Playbook, precondition, settle, stuck_pods
from prunella_workflows.playbooks.revisions import is_new_release, known_good, rollback
from prunella_workflows.symptoms import SIGKILL_EXIT, Kind, Symptom, symptoms

_MIB = 1 << 20
_MAX_RAISES = 2


def diagnose(evidence: Evidence) -> Diagnosis | Rejected:
    """An OOM kill of a container of the current revision decides; exit code 137 alone does not."""
    kills = [one for one in symptoms(evidence.current_pods) if _is_kill(one, evidence)]
    if not kills:
        return Rejected(cause=Cause.POD_OOM_KILLED, reason="no container was OOM-killed in its last run")
    first = kills[0]
    return Diagnosis(
        cause=Cause.POD_OOM_KILLED,
        confidence=0.95,
        message=f"Container {first.container} needs more memory than its limit: it was OOM-killed.",
        container=first.container,
        decided_by=tuple(str(kill) for kill in kills[:5]),
    )


def _is_kill(symptom: Symptom, evidence: Evidence) -> bool:
    """A 137 counts when the incident was opened because this container was seen OOM-killed a moment before."""
    seen_before = (
        evidence.incident.type is IncidentType.OOM_KILLED
        and evidence.incident.container_name == symptom.container
        and symptom.exit_code == SIGKILL_EXIT
    )
    return symptom.kind is Kind.OOM or seen_before


def plan(diagnosis: Diagnosis, evidence: Evidence, policy: EffectivePolicy, tried: tuple[Attempt, ...]) -> Plan:
    """Raise the memory of the killed container; then go back to a good release; then hand over."""
    container = next((one for one in evidence.workload.containers if one.name == diagnosis.container), None)
    if container is None or container.memory_limit is None:
        return _hand_over("NoMemoryLimit", "The container has no memory limit of its own: the node ran out of memory.")
    if (overwritten := _overwritten(container, evidence)) is not None:
        return overwritten
    back = _rollback_step(evidence, policy, tried)
    if back is not None and _release_lowered_limit(container, evidence):
        return Plan(steps=(back,), next_step="If that does not help, a person is asked.")
    raises = [one for one in tried if one.action == "SetMemory" and one.parameters.get("container") == container.name]
    bound, by = _upper_bound(container, evidence, policy)
    wanted = _wanted(container.memory_limit, len(raises) + 1, policy)
    target = min(wanted, bound)
    exhausted = target <= _highest_tried(container, raises) or len(raises) >= _MAX_RAISES
    steps = () if exhausted else (_raise(container, target, evidence, policy),)
    if back is not None:
        steps = (*steps, back)
    if steps:
        return Plan(steps=steps, next_step=_after(steps))
    return _exhausted(container, raises, by)


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
        candidates.append(
            (limit + _share(bounds.quota_limits_free - surge, pods), "the ResourceQuota of limits.memory")
        )
    if bounds.quota_requests_free is not None and _request_follows(container):
        free = _share(bounds.quota_requests_free - _requested(evidence, container), pods)
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


def _share(free: int, pods: int) -> int:
    """What each pod may grow by, in whole MiB, when `free` bytes are left for all of them."""
    return max(0, free) // pods // _MIB * _MIB


def _request_follows(container: ContainerView) -> bool:
    """A request equal to the limit is raised with it, so that the pod keeps its QoS class; one that is not set follows
    by itself, as the API server gives the pod its limit.
    """
    return container.memory_request in (None, container.memory_limit)


def _raise(container: ContainerView, target: int, evidence: Evidence, policy: EffectivePolicy) -> Step:
    assert container.memory_limit is not None
    action = SetMemory(
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
    return Step(action=action, settle=settle(policy), why=f"container {container.name} was OOM-killed")


def _highest_tried(container: ContainerView, raises: list[Attempt]) -> int:
    return max([container.memory_limit or 0, *(parse_bytes(one.parameters["to"]) for one in raises)])


def _overwritten(container: ContainerView, evidence: Evidence) -> Plan | None:
    """A pod whose limit is not the template's was changed on admission: raising the template would not help."""
    limits = {pod.memory_limits.get(container.name) for pod in evidence.current_pods} - {None}
    if not limits or container.memory_limit in limits:
        return None
    seen = ", ".join(format_bytes(limit) for limit in sorted(one for one in limits if one is not None))
    return _hand_over(
        "LimitOverwritten",
        f"The pods run with a memory limit of {seen}, not the template's {format_bytes(container.memory_limit or 0)}: "
        "an admission webhook or a VerticalPodAutoscaler sets it.",
    )


def _release_lowered_limit(container: ContainerView, evidence: Evidence) -> bool:
    good = known_good(evidence)
    before = good.memory_limits.get(container.name) if good else None
    return before is not None and container.memory_limit is not None and container.memory_limit < before


def _rollback_step(evidence: Evidence, policy: EffectivePolicy, tried: tuple[Attempt, ...]) -> Step | None:
    good = known_good(evidence)
    if good is None or not is_new_release(evidence) or any(one.action == "RestoreTemplate" for one in tried):
        return None
    return rollback(evidence, policy, good, "the release that runs out of memory is new")


def _after(steps: tuple[Step, ...]) -> str:
    if len(steps) > 1:
        return f"If that does not help: {steps[1].action}, then a person is asked."
    return "If that does not help, more memory is tried within the limits, then a person is asked."


def _exhausted(container: ContainerView, raises: list[Attempt], by: str) -> Plan:
    if raises:
        return _hand_over(
            "MemoryLeakSuspected",
            f"Container {container.name} ran out of memory again after {len(raises)} raise(s): it may be leaking.",
        )
    return _hand_over(
        "MemoryAtMaximum",
        f"Container {container.name} has {format_bytes(container.memory_limit or 0)} and {by} allows no more.",
    )


def _hand_over(reason: str, message: str) -> Plan:
    return Plan(reason=reason, message=message, next_step="Look at the container's memory use, then set its limit.")


PLAYBOOK = Playbook(
    cause=Cause.POD_OOM_KILLED,
    summary="A container needs more memory than its limit.",
    steps=(
        "raise the memory of that container, within policy, quota, LimitRange and node",
        "raise it once more",
        "roll back, if the release is new",
        "escalate",
    ),
    diagnose=diagnose,
    plan=plan,
)
