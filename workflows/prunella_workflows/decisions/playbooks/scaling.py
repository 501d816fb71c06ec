"""Scaling out: once, to an absolute number within every bound, through the owner of that number."""

import math
from collections.abc import Iterable

from prunella_workflows.decisions.diagnosis.saturation import Load
from prunella_workflows.decisions.playbooks.playbook import PlanCase, plan_relief, precondition
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.kubectl import command, raise_maximum
from prunella_workflows.model.plan import Plan, Precondition, RaiseMaxReplicas, Scale
from prunella_workflows.model.policy import EffectivePolicy
from prunella_workflows.model.scaling import HorizontalPodAutoscalerView
from prunella_workflows.model.workload import ContainerView

_MAX_FACTOR = 2
"""Doubling is enough for one step: a workload that needs more has a fault that should be found."""


def scale_out(load: Load, target_share: float, case: PlanCase) -> Plan:
    """Add replicas until each uses no more than `target_share`, or explain why not. One step per incident."""
    evidence, policy, workload = case.findings.evidence, case.policy, case.findings.evidence.workload
    if case.has_tried("Scale", "RaiseMaxReplicas"):
        return Plan(
            reason="ScalingDidNotHelp",
            message=f"{_sentence(load)}, and more replicas did not help. The change was undone.",
            next_step="Find out what keeps the processes busy: a loop, a slow query, a client that retries.",
        )
    if workload.ref.kind == "DaemonSet":
        return Plan(
            reason="CannotScale",
            message=f"{_sentence(load)}. A DaemonSet runs one pod per node and cannot be scaled out.",
            next_step="Raise the container's limit, or add nodes.",
        )
    if evidence.scaling.autoscalers:
        return _raise_autoscaler(load, target_share, evidence, policy)
    wanted = _wanted(workload.replicas, load, target_share)
    bound, by = _lowest_bound(evidence, policy, workload.replicas)
    if min(wanted, bound) <= workload.replicas:
        return _at_maximum(load, f"{workload.ref} has {workload.replicas} replicas", by)
    action = Scale(
        target=workload.ref,
        require=precondition(evidence),
        replicas_from=workload.replicas,
        replicas_to=min(wanted, bound),
    )
    return plan_relief(action, load, policy)


def _raise_autoscaler(load: Load, target_share: float, evidence: Evidence, policy: EffectivePolicy) -> Plan:
    """Raise the maximum of the autoscaler that sets the replicas, or explain why not."""
    first, *others = evidence.scaling.autoscalers
    if others or first.obstacle:
        state = f"{first} and {others[0]} both scale it, so neither works" if others else f"{first} {first.obstacle}"
        next_step = f"kubectl describe hpa {first.name} -n {first.namespace}"
        return Plan(reason="HpaCannotAct", message=f"{_sentence(load)}. {state}.", next_step=next_step)
    if not first.at_maximum:
        state = f"{first} is in charge and wants {first.desired_replicas} of at most {first.max_replicas} replicas"
        next_step = "Wait for it, or check the metrics by which it scales."
        return Plan(reason="HpaActs", message=f"{_sentence(load)}. {state}.", next_step=next_step)
    wanted = _wanted(first.max_replicas, load, target_share)
    bound, by = _lowest_bound(evidence, policy, first.max_replicas)
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
        return _propose_maximum(load, first, action)
    return plan_relief(action, load, policy)


def _propose_maximum(load: Load, autoscaler: HorizontalPodAutoscalerView, action: RaiseMaxReplicas) -> Plan:
    """Leave the maximum to a person: the policy does not name the action, or another tool would restore the old one."""
    message = f"{_sentence(load)}. {autoscaler} is at its maximum of {autoscaler.max_replicas}"
    kind, _, name = autoscaler.operator.partition("/")
    if name:
        message += f", which {autoscaler.operator} sets"
    else:
        message += f" and the policy's actions do not include {action.kind}"
    scaled_object = raise_maximum("scaledobject", name, autoscaler.namespace, maxReplicaCount=action.max_to)
    next_step = scaled_object if kind == "ScaledObject" else command(action)  # KEDA names the field differently
    return Plan(reason="HpaAtMaximum", message=f"{message}.", next_step=next_step)


def _at_maximum(load: Load, state: str, by: str) -> Plan:
    return Plan(
        reason="ReplicasAtMaximum",
        message=f"{_sentence(load)}. {state}, and {by} allows no more.",
        next_step="Raise that bound, or find out what needs so much.",
    )


def _wanted(replicas: int, load: Load, target_share: float) -> int:
    """The number of replicas that brings the load down to `target_share`. The slack is for floating-point error."""
    return min(math.ceil(replicas * load.share / target_share - 1e-9), _MAX_FACTOR * replicas)


def _lowest_bound(evidence: Evidence, policy: EffectivePolicy, replicas: int) -> tuple[int, str]:
    """The most replicas that policy and quotas allow, and the name of the bound that decides."""
    assert policy.limits.replicas_max is not None
    candidates = [(policy.limits.replicas_max, "the policy's limits.replicasMax")]
    needs = _pod_requirements(evidence.workload.containers)
    for name, free in evidence.scaling.quota_free.items():
        if need := needs.get(name):
            more = max(0, math.floor(free / need + 1e-9))
            candidates.append((replicas + more, f"the ResourceQuota of {name}"))
    return min(candidates)


def _pod_requirements(containers: tuple[ContainerView, ...]) -> dict[str, float]:
    """The amount of each quota resource that one more pod takes."""
    cpu = _pod_total((view.init, view.requested_cpu) for view in containers)
    memory = _pod_total((view.init, view.requested_memory) for view in containers)
    return {
        "pods": 1,
        "count/pods": 1,
        "cpu": cpu,
        "requests.cpu": cpu,
        "limits.cpu": _pod_total((view.init, view.cpu_limit) for view in containers),
        "memory": memory,
        "requests.memory": memory,
        "limits.memory": _pod_total((view.init, view.memory_limit) for view in containers),
    }


def _pod_total(amounts: Iterable[tuple[bool, float | None]]) -> float:
    """A pod counts as the sum of its containers, or as the init container that needs more than that."""
    known = [(init, amount or 0.0) for init, amount in amounts]
    together = sum(amount for init, amount in known if not init)
    return max([together, *(amount for init, amount in known if init)])


def _sentence(load: Load) -> str:
    text = str(load)
    return text[:1].upper() + text[1:]
