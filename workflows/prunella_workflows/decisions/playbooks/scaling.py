"""How far a workload may be scaled out: once, to an absolute number within every bound, by whoever owns that number.

Where a HorizontalPodAutoscaler sets the replicas it alone decides; only its maximum may be raised, and only when the
policy names that action.
"""

import math
from collections.abc import Iterable

from prunella_workflows.decisions.diagnosis.saturation import Load
from prunella_workflows.decisions.playbooks.playbook import precondition, settle_relieved
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.incident_status import Attempt
from prunella_workflows.model.kubectl import command, raise_maximum
from prunella_workflows.model.plan import Action, Plan, Precondition, RaiseMaxReplicas, Scale, Step
from prunella_workflows.model.policy import EffectivePolicy
from prunella_workflows.model.scaling import HorizontalPodAutoscalerView
from prunella_workflows.model.workload import ContainerView

_AT_MOST_TIMES = 2
"""Doubling is enough for one step: what needs more is no peak, and its cause should be looked for."""

_KINDS = frozenset({"Scale", "RaiseMaxReplicas"})


def scale_out(load: Load, goal: float, evidence: Evidence, policy: EffectivePolicy, tried: tuple[Attempt, ...]) -> Plan:
    """Enough replicas that each uses no more than `goal` (a share), or why not. One step an incident."""
    workload = evidence.workload
    if any(attempt.action in _KINDS for attempt in tried):
        return Plan(
            reason="ScalingDidNotHelp",
            message=f"{_sentence(load)}, and more replicas did not help. The change was taken back.",
            next_step="Look at what keeps the processes busy: a loop, a slow query, a client that retries.",
        )
    if workload.ref.kind == "DaemonSet":
        return Plan(
            reason="CannotScale",
            message=f"{_sentence(load)}. A DaemonSet has one pod a node and cannot be scaled out.",
            next_step="Raise the container's limit, or add nodes.",
        )
    if evidence.scaling.autoscalers:
        return _by_autoscaler(load, goal, evidence, policy)
    wanted = _wanted(workload.replicas, load, goal)
    bound, by = _most(evidence, policy, workload.replicas)
    if min(wanted, bound) <= workload.replicas:
        return _at_maximum(load, f"{workload.ref} has {workload.replicas} replicas", by)
    action = Scale(
        target=workload.ref,
        require=precondition(evidence),
        replicas_from=workload.replicas,
        replicas_to=min(wanted, bound),
    )
    return _plan(action, load, policy)


def _by_autoscaler(load: Load, goal: float, evidence: Evidence, policy: EffectivePolicy) -> Plan:
    """What is left to do where an autoscaler sets the replicas."""
    first, *others = evidence.scaling.autoscalers
    if others or not first.active:
        state = f"{first} and {others[0]} scale it both, so neither can" if others else f"{first} cannot act"
        return Plan(
            reason="HpaCannotAct",
            message=f"{_sentence(load)}. {state}.",
            next_step=f"kubectl describe hpa {first.name} -n {first.namespace}",
        )
    if not first.at_maximum:
        state = f"{first} decides and asks for {first.desired_replicas} of at most {first.max_replicas} replicas"
        return Plan(
            reason="HpaActs",
            message=f"{_sentence(load)}. {state}.",
            next_step="Wait for it, or see which metrics it scales by.",
        )
    wanted = _wanted(first.max_replicas, load, goal)
    bound, by = _most(evidence, policy, first.max_replicas)
    if min(wanted, bound) <= first.max_replicas:
        return _at_maximum(load, f"{first} is at its maximum of {first.max_replicas}", by)
    action = RaiseMaxReplicas(
        target=evidence.workload.ref,
        require=Precondition(uid=first.uid, last_action=first.last_action),
        autoscaler=first.name,
        max_from=first.max_replicas,
        max_to=min(wanted, bound),
    )
    if first.operator or RaiseMaxReplicas.__name__ not in (policy.actions or ()):
        return _ask(load, first, action)
    return _plan(action, load, policy)


def _plan(action: Action, load: Load, policy: EffectivePolicy) -> Plan:
    step = Step(action=action, settle=settle_relieved(policy, load), why=str(load))
    return Plan(steps=(step,), next_step="If that does not help, it is taken back and a person is asked.")


def _ask(load: Load, autoscaler: HorizontalPodAutoscalerView, action: RaiseMaxReplicas) -> Plan:
    """A person raises the maximum: the policy does not name it, or another tool would write the old one back."""
    message = f"{_sentence(load)}. {autoscaler} is at its maximum of {autoscaler.max_replicas}"
    kind, _, name = autoscaler.operator.partition("/")
    if name:
        message += f", which {autoscaler.operator} sets"
    else:
        message += f" and the policy's actions do not name {action.kind}"
    own = kind == "ScaledObject"  # KEDA's, whose field bears another name
    to = raise_maximum("scaledobject", name, autoscaler.namespace, maxReplicaCount=action.max_to)
    return Plan(reason="HpaAtMaximum", message=f"{message}.", next_step=to if own else command(action))


def _at_maximum(load: Load, state: str, by: str) -> Plan:
    return Plan(
        reason="ReplicasAtMaximum",
        message=f"{_sentence(load)}. {state}, and {by} allows no more.",
        next_step="Raise that bound, or look at what needs so much.",
    )


def _wanted(replicas: int, load: Load, goal: float) -> int:
    """As many replicas as bring the load down to `goal`. The slack is for what floating point adds."""
    return min(math.ceil(replicas * load.share / goal - 1e-9), _AT_MOST_TIMES * replicas)


def _most(evidence: Evidence, policy: EffectivePolicy, replicas: int) -> tuple[int, str]:
    """The most replicas that policy and quotas allow, and which of them is the lowest."""
    assert policy.limits.replicas_max is not None
    candidates = [(policy.limits.replicas_max, "the policy's limits.replicasMax")]
    needs = _needs(evidence.workload.containers)
    for name, free in evidence.scaling.quota_free.items():
        if need := needs.get(name):
            more = max(0, math.floor(free / need + 1e-9))
            candidates.append((replicas + more, f"the ResourceQuota of {name}"))
    return min(candidates)


def _needs(containers: tuple[ContainerView, ...]) -> dict[str, float]:
    """What one more pod takes of each resource that a quota may name. Without a request a container asks its limit."""
    cpu = _of_pod(
        (container.init, container.cpu_limit if container.cpu_request is None else container.cpu_request)
        for container in containers
    )
    memory = _of_pod(
        (container.init, container.memory_limit if container.memory_request is None else container.memory_request)
        for container in containers
    )
    return {
        "pods": 1,
        "count/pods": 1,
        "cpu": cpu,
        "requests.cpu": cpu,
        "limits.cpu": _of_pod((container.init, container.cpu_limit) for container in containers),
        "memory": memory,
        "requests.memory": memory,
        "limits.memory": _of_pod((container.init, container.memory_limit) for container in containers),
    }


def _of_pod(amounts: Iterable[tuple[bool, float | None]]) -> float:
    """A pod counts as what its containers need together, or as the init container that needs more than that."""
    known = [(init, amount or 0.0) for init, amount in amounts]
    together = sum(amount for init, amount in known if not init)
    return max([together, *(amount for init, amount in known if init)])


def _sentence(load: Load) -> str:
    text = str(load)
    return text[:1].upper() + text[1:]
