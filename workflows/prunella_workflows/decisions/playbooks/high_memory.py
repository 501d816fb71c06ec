"""A container is about to reach its memory limit: raise it before the OOM kill, or scale out, as the policy says."""

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.diagnosis.saturation import Load, has_bound, measure_evidence
from prunella_workflows.decisions.playbooks.memory import escalate, find_overwritten_limit, next_raise, no_more_raises
from prunella_workflows.decisions.playbooks.playbook import Playbook, plan_without_metrics, settle_relieved
from prunella_workflows.decisions.playbooks.scaling import scale_out
from prunella_workflows.model.incident import IncidentType
from prunella_workflows.model.incident_status import Attempt
from prunella_workflows.model.outcome import Cause, Diagnosis, Rejected
from prunella_workflows.model.plan import Plan, Scale, SetMemory, Step
from prunella_workflows.model.policy import EffectivePolicy

TARGET_SHARE = 0.7
"""The share of its limit that a container should use after scaling out: below what counts as high, with headroom."""


def diagnose(findings: Findings) -> Diagnosis | Rejected:
    """Match a report of high memory usage that measurements do not contradict."""
    if findings.evidence.incident.type is not IncidentType.HIGH_MEMORY:
        return Rejected(cause=Cause.HIGH_MEMORY, reason="no high memory usage was reported")
    load = measure_evidence("memory", findings.evidence)
    if load is None:
        message = "High memory usage was reported; no measurement confirms it."
        return Diagnosis(cause=Cause.HIGH_MEMORY, confidence=0.2, message=message)
    if not load.high:
        return Rejected(cause=Cause.HIGH_MEMORY, reason=str(load))
    return Diagnosis(
        cause=Cause.HIGH_MEMORY,
        confidence=0.9,
        message=f"Container {load.container} is about to reach its memory limit.",
        container=load.container,
        decided_by=(str(load),),
    )


def plan(diagnosis: Diagnosis, findings: Findings, policy: EffectivePolicy, tried: tuple[Attempt, ...]) -> Plan:
    """Raise the limit of the container that is about to reach it; write nothing without measurements."""
    evidence = findings.evidence
    load = measure_evidence("memory", evidence)
    if load is None:
        if not any(has_bound("memory", container) for container in evidence.workload.containers):
            return escalate("NoMemoryLimit", "No container has a memory limit: check the memory of the node.")
        return plan_without_metrics(diagnosis)
    if _prefers_scaling(policy):
        return scale_out(load, TARGET_SHARE, evidence, policy, tried)
    return _raise_limit(load, findings, policy, tried)


def _prefers_scaling(policy: EffectivePolicy) -> bool:
    """Report whether the policy allows more replicas but not more memory."""
    actions = policy.actions or ()
    return Scale.__name__ in actions and SetMemory.__name__ not in actions


def _raise_limit(load: Load, findings: Findings, policy: EffectivePolicy, tried: tuple[Attempt, ...]) -> Plan:
    evidence = findings.evidence
    container = next(container for container in evidence.workload.containers if container.name == load.container)
    if container.memory_limit is None:
        return escalate("NoMemoryLimit", f"Container {container.name} has no memory limit of its own.")
    if (overwritten := find_overwritten_limit(container, findings)) is not None:
        return overwritten
    action = next_raise(container, findings, policy, tried)
    if action is None:
        return no_more_raises(container, evidence, policy, tried)
    step = Step(action=action, settle=settle_relieved(policy, load), why=str(load))
    return Plan(steps=(step,), next_step="If that does not help, undo it and escalate.")


PLAYBOOK = Playbook(
    cause=Cause.HIGH_MEMORY,
    summary="A container is about to reach its memory limit.",
    steps=(
        "raise the memory of that container within every bound; scale out, if the policy allows that instead",
        "raise it once more",
        "escalate",
    ),
    diagnose=diagnose,
    plan=plan,
)
