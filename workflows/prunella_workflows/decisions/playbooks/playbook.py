"""A playbook: one root cause, how to recognise it, and the ordered steps that repair it."""

from collections.abc import Callable
from dataclasses import dataclass

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.diagnosis.saturation import HIGH, Load
from prunella_workflows.decisions.diagnosis.symptoms import Kind
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.incident_status import Attempt
from prunella_workflows.model.outcome import Cause, Diagnosis, Rejected
from prunella_workflows.model.plan import Plan, PodRef, Precondition, Relief, Settle
from prunella_workflows.model.policy import EffectivePolicy

Diagnose = Callable[[Findings], Diagnosis | Rejected]
MakePlan = Callable[[Diagnosis, Findings, EffectivePolicy, tuple[Attempt, ...]], Plan]

_MEASUREMENT_DELAY_SECONDS = 120.0
"""The time until measurements show a change: they are means over up to two minutes."""


@dataclass(frozen=True)
class Playbook:
    """One root cause.

    `diagnose` returns the diagnosis, or why the evidence does not show this cause. `plan` returns the steps that are
    left after the attempts already made (and undone); an empty plan says why none is left. `steps` is their order for
    people.
    """

    cause: Cause
    summary: str
    steps: tuple[str, ...]
    diagnose: Diagnose
    plan: MakePlan


def precondition(evidence: Evidence) -> Precondition:
    """The requirement that the live object is still the one this evidence was read from."""
    workload = evidence.workload
    return Precondition(uid=workload.ref.uid, template_hash=workload.template_hash, last_action=workload.last_action)


def stuck_pods(findings: Findings) -> tuple[PodRef, ...]:
    """The broken pods of a StatefulSet: its rollout waits for them without end, so delete them after the repair."""
    evidence = findings.evidence
    if evidence.workload.ref.kind != "StatefulSet":
        return ()
    broken = {symptom.pod for symptom in findings.symptoms if symptom.active or symptom.kind is not Kind.NOT_READY}
    return tuple(
        PodRef(name=pod.name, uid=pod.uid) for pod in evidence.current_pods if pod.name in broken and not pod.ready
    )


def settle(policy: EffectivePolicy) -> Settle:
    """The policy's rule for verifying a step."""
    rule = policy.verification
    assert rule.timeout is not None
    assert rule.window is not None
    return Settle(timeout=rule.timeout, window=rule.window, checks=rule.checks or ())


def settle_relieved(policy: EffectivePolicy, load: Load) -> Settle:
    """The policy's rule, with the requirement that the load falls below what counts as high."""
    rule = settle(policy)
    relief = Relief(resource=load.resource, container=load.container, below=HIGH[load.resource])
    return rule.model_copy(update={"timeout": rule.timeout + _MEASUREMENT_DELAY_SECONDS, "relief": relief})


def plan_without_metrics(diagnosis: Diagnosis) -> Plan:
    """An empty plan: nothing is written without data."""
    return Plan(
        reason="MetricsUnavailable",
        message=diagnosis.message,
        next_step="Check that a metrics source responds, then look at the pods' usage yourself.",
    )
