"""What a playbook is: one root cause, how to recognise it, and the ordered steps that repair it."""

from collections.abc import Callable
from dataclasses import dataclass

from prunella_workflows.decisions.diagnosis.saturation import HIGH, Load
from prunella_workflows.decisions.diagnosis.symptoms import Kind, symptoms
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.incident_status import Attempt
from prunella_workflows.model.outcome import Cause, Diagnosis, Rejected
from prunella_workflows.model.plan import Plan, PodRef, Precondition, Relief, Settle
from prunella_workflows.model.policy import EffectivePolicy

Diagnose = Callable[[Evidence], Diagnosis | Rejected]
MakePlan = Callable[[Diagnosis, Evidence, EffectivePolicy, tuple[Attempt, ...]], Plan]

_MEASURED_LATE = 120.0
"""Seconds until what is measured shows a change: measurements are means over up to two minutes."""


@dataclass(frozen=True)
class Playbook:
    """One root cause.

    `diagnose` says whether the evidence shows this cause, or why not. `plan` gives the steps that are left after
    the attempts already made (and undone); an empty plan says why nothing is left. `steps` tells people the order.
    """

    cause: Cause
    summary: str
    steps: tuple[str, ...]
    diagnose: Diagnose
    plan: MakePlan


def precondition(evidence: Evidence) -> Precondition:
    """The live object must still be the one this evidence was read from."""
    workload = evidence.workload
    return Precondition(uid=workload.ref.uid, template_hash=workload.template_hash, last_action=workload.last_action)


def stuck_pods(evidence: Evidence) -> tuple[PodRef, ...]:
    """The broken pods of a StatefulSet: it waits for them for ever, so they must be deleted after the repair."""
    if evidence.workload.ref.kind != "StatefulSet":
        return ()
    broken = {
        symptom.pod
        for symptom in symptoms(evidence.current_pods)
        if symptom.active or symptom.kind is not Kind.NOT_READY
    }
    return tuple(
        PodRef(name=pod.name, uid=pod.uid) for pod in evidence.current_pods if pod.name in broken and not pod.ready
    )


def settle(policy: EffectivePolicy) -> Settle:
    """The policy's rule for judging a step."""
    rule = policy.verification
    assert rule.timeout is not None
    assert rule.window is not None
    return Settle(timeout=rule.timeout, window=rule.window, checks=rule.checks or ())


def settle_relieved(policy: EffectivePolicy, load: Load) -> Settle:
    """The policy's rule, and the use that was too high must be below what counts as high."""
    rule = settle(policy)
    relief = Relief(resource=load.resource, container=load.container, below=HIGH[load.resource])
    return rule.model_copy(update={"timeout": rule.timeout + _MEASURED_LATE, "relief": relief})


def not_measured(diagnosis: Diagnosis) -> Plan:
    """No data is no reason to write."""
    return Plan(
        reason="MetricsUnavailable",
        message=diagnosis.message,
        next_step="See whether a metrics source answers, then look at the pods' use yourself.",
    )
