"""Pods use most of their CPU: scale out within every bound, or escalate. Only measurements confirm it."""

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.diagnosis.saturation import has_bound, measure_evidence
from prunella_workflows.decisions.playbooks.playbook import PlanCase, Playbook, diagnose_load, plan_without_metrics
from prunella_workflows.decisions.playbooks.scaling import scale_out
from prunella_workflows.model.outcome import Cause, Diagnosis, Rejected
from prunella_workflows.model.plan import Plan

TARGET_SHARE = 0.6
"""The share of CPU that pods should use after scaling: clearly below what counts as high, with room for a peak."""


def diagnose(findings: Findings) -> Diagnosis | Rejected:
    """Match a report of high CPU usage that measurements do not contradict."""
    return diagnose_load(Cause.HIGH_CPU, "cpu", "The pods use most of the CPU available to them.", findings)


def plan(case: PlanCase) -> Plan:
    """Scale out once; write nothing without measurements."""
    evidence = case.findings.evidence
    load = measure_evidence("cpu", evidence)
    if load is not None:
        return scale_out(load, TARGET_SHARE, case)
    if not any(has_bound("cpu", container) for container in evidence.workload.containers):
        message = f"{case.diagnosis.message} No container requests CPU, so its usage cannot be judged."
        return Plan(reason="NoCpuRequest", message=message, next_step="Set the CPU requests of the containers.")
    return plan_without_metrics(case.diagnosis)


PLAYBOOK = Playbook(
    cause=Cause.HIGH_CPU,
    summary="Pods use most of the CPU that they may use.",
    steps=(
        "scale out, within policy and quota; where an autoscaler is at its maximum, raise that if the policy names it",
        "escalate",
    ),
    diagnose=diagnose,
    plan=plan,
)
