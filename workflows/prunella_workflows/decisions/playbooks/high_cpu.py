"""Pods use most of the CPU they may: scale out within every bound, or hand over. Only measurements confirm it."""

from prunella_workflows.decisions.diagnosis.saturation import bounded, load_of
from prunella_workflows.decisions.playbooks.playbook import Playbook, not_measured
from prunella_workflows.decisions.playbooks.scaling import scale_out
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.incident import IncidentType
from prunella_workflows.model.incident_status import Attempt
from prunella_workflows.model.outcome import Cause, Diagnosis, Rejected
from prunella_workflows.model.plan import Plan
from prunella_workflows.model.policy import EffectivePolicy

GOAL = 0.6
"""The share of their CPU that pods shall use after scaling: well below what counts as high, so that the result is not
judged by a hair, and the rest of the peak still fits.
"""

_UNCONFIRMED = "A high use of CPU was reported; no measurement confirms it."


def diagnose(evidence: Evidence) -> Diagnosis | Rejected:
    """The use of CPU was reported as high, and the measurements do not say otherwise."""
    if evidence.incident.type is not IncidentType.HIGH_CPU:
        return Rejected(cause=Cause.HIGH_CPU, reason="nobody reported a high use of CPU")
    load = load_of("cpu", evidence)
    if load is None:
        return Diagnosis(cause=Cause.HIGH_CPU, confidence=0.2, message=_UNCONFIRMED)
    if not load.high:
        return Rejected(cause=Cause.HIGH_CPU, reason=str(load))
    return Diagnosis(
        cause=Cause.HIGH_CPU,
        confidence=0.9,
        message="The pods use most of the CPU that they may use.",
        container=load.container,
        decided_by=(str(load),),
    )


def plan(diagnosis: Diagnosis, evidence: Evidence, policy: EffectivePolicy, tried: tuple[Attempt, ...]) -> Plan:
    """Scale out once; without measurements nothing is written."""
    load = load_of("cpu", evidence)
    if load is not None:
        return scale_out(load, GOAL, evidence, policy, tried)
    if not any(bounded("cpu", container) for container in evidence.workload.containers):
        return Plan(
            reason="NoCpuRequest",
            message=f"{diagnosis.message} No container says how much CPU it needs, so nothing is too much.",
            next_step="Set the CPU requests of the containers.",
        )
    return not_measured(diagnosis)


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
