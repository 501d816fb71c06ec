"""A container is about to reach its memory limit: raise it before the OOM kill, or scale out, as the policy says."""

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.diagnosis.saturation import Load, has_bound, measure_evidence
from prunella_workflows.decisions.playbooks.memory import escalate, find_overwritten_limit, next_raise, no_more_raises
from prunella_workflows.decisions.playbooks.playbook import (
    PlanCase,
    Playbook,
    diagnose_load,
    plan_relief,
    plan_without_metrics,
)
from prunella_workflows.decisions.playbooks.scaling import scale_out
from prunella_workflows.model.outcome import Cause, Diagnosis, Rejected
from prunella_workflows.model.plan import Plan, Scale, SetMemory

TARGET_SHARE = 0.7
"""The share of its limit that a container should use after scaling out: below what counts as high, with headroom."""


def diagnose(findings: Findings) -> Diagnosis | Rejected:
    """Match a report of high memory usage that measurements do not contradict."""
    message = "Container {container} is about to reach its memory limit."
    return diagnose_load(Cause.HIGH_MEMORY, "memory", message, findings)


def plan(case: PlanCase) -> Plan:
    """Raise the limit of the container that is about to reach it; write nothing without measurements."""
    load = measure_evidence("memory", case.findings.evidence)
    if load is None:
        if not any(has_bound("memory", container) for container in case.findings.evidence.workload.containers):
            return escalate("NoMemoryLimit", "No container has a memory limit: check the memory of the node.")
        return plan_without_metrics(case.diagnosis)
    actions = case.policy.actions or ()
    if Scale.__name__ in actions and SetMemory.__name__ not in actions:
        return scale_out(load, TARGET_SHARE, case)
    return _raise_limit(load, case)


def _raise_limit(load: Load, case: PlanCase) -> Plan:
    containers = case.findings.evidence.workload.containers
    container = next(container for container in containers if container.name == load.container)
    if container.memory_limit is None:
        return escalate("NoMemoryLimit", f"Container {container.name} has no memory limit of its own.")
    if (overwritten := find_overwritten_limit(container, case.findings)) is not None:
        return overwritten
    action = next_raise(container, case)
    return plan_relief(action, load, case.policy) if action is not None else no_more_raises(container, case)


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
