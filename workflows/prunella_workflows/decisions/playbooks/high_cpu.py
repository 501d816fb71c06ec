"""Pods use most of their CPU: scale out within every bound, or escalate. Only measurements confirm it."""

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.diagnosis.saturation import has_bound, measure_evidence
from prunella_workflows.decisions.playbooks.playbook import Playbook, plan_without_metrics
from prunella_workflows.decisions.playbooks.scaling import scale_out
from prunella_workflows.model.incident import IncidentType
from prunella_workflows.model.incident_status import Attempt
from prunella_workflows.model.outcome import Cause, Diagnosis, Rejected
from prunella_workflows.model.plan import Plan
from prunella_workflows.model.policy import EffectivePolicy

TARGET_SHARE = 0.6
"""The share of their CPU that pods should use after scaling: far enough below what counts as high for a clear result,
and with room for the rest of the peak.
"""


def diagnose(findings: Findings) -> Diagnosis | Rejected:
    """Match a report of high CPU usage that measurements do not contradict."""
    if findings.evidence.incident.type is not IncidentType.HIGH_CPU:
        return Rejected(cause=Cause.HIGH_CPU, reason="no high CPU usage was reported")
    load = measure_evidence("cpu", findings.evidence)
    if load is None:
        message = "High CPU usage was reported; no measurement confirms it."
        return Diagnosis(cause=Cause.HIGH_CPU, confidence=0.2, message=message)
    if not load.high:
        return Rejected(cause=Cause.HIGH_CPU, reason=str(load))
    return Diagnosis(
        cause=Cause.HIGH_CPU,
        confidence=0.9,
        message="The pods use most of the CPU available to them.",
        container=load.container,
        decided_by=(str(load),),
    )


def plan(diagnosis: Diagnosis, findings: Findings, policy: EffectivePolicy, tried: tuple[Attempt, ...]) -> Plan:
    """Scale out once; write nothing without measurements."""
    evidence = findings.evidence
    load = measure_evidence("cpu", evidence)
    if load is not None:
        return scale_out(load, TARGET_SHARE, evidence, policy, tried)
    if not any(has_bound("cpu", container) for container in evidence.workload.containers):
        return Plan(
            reason="NoCpuRequest",
            message=f"{diagnosis.message} No container requests CPU, so its usage cannot be judged.",
            next_step="Set the CPU requests of the containers.",
        )
    return plan_without_metrics(diagnosis)


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
