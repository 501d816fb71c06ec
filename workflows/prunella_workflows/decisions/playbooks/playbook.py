"""A playbook: one root cause, how to recognise it, and the ordered steps that repair it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.diagnosis.relapse import EarlierRepair
from prunella_workflows.decisions.diagnosis.saturation import (
    HIGH,
    NAMES,
    Load,
    Resource,
    measure_evidence,
    saturated_resource,
)
from prunella_workflows.decisions.diagnosis.symptoms import Kind, Symptom
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.incident_status import Attempt
from prunella_workflows.model.outcome import Cause, Diagnosis, Rejected
from prunella_workflows.model.plan import Action, Plan, PodRef, Precondition, Relief, Settle, Step
from prunella_workflows.model.policy import EffectivePolicy

_MEASUREMENT_DELAY_SECONDS = 120.0
"""The time until measurements show a change: they are means over up to two minutes."""


@dataclass(frozen=True)
class PlanCase:
    """Everything that a plan follows from. `tried`: the attempts already made. `in_force`: the one not undone yet."""

    diagnosis: Diagnosis
    findings: Findings
    policy: EffectivePolicy
    tried: tuple[Attempt, ...] = ()
    in_force: EarlierRepair | None = None

    def has_tried(self, *actions: str) -> bool:
        """Report whether one of these actions was tried."""
        return any(attempt.action in actions for attempt in self.tried)


@dataclass(frozen=True)
class Playbook:
    """One root cause. `steps` describe its repair for people.

    `diagnose` returns the diagnosis, or why the evidence does not show this cause. `plan` returns the steps that are
    left; an empty plan says why none is left.
    """

    cause: Cause
    summary: str
    steps: tuple[str, ...]
    diagnose: Callable[[Findings], Diagnosis | Rejected]
    plan: Callable[[PlanCase], Plan]


def precondition(evidence: Evidence) -> Precondition:
    """The requirement that the live object is still the one this evidence was read from."""
    workload = evidence.workload
    return Precondition(uid=workload.ref.uid, template_hash=workload.template_hash, last_action=workload.last_action)


def stuck_pods(findings: Findings) -> tuple[PodRef, ...]:
    """The failing pods of a StatefulSet: its rollout waits for them without end, so delete them after the repair.

    A pod that is merely not ready may be starting for good reasons, unless that is the very fault.
    """
    evidence = findings.evidence
    if evidence.workload.ref.kind != "StatefulSet":
        return ()
    certain = {failure.pod for failure in findings.current_failures if failure.kind is not Kind.NOT_READY}
    broken = certain or {failure.pod for failure in findings.current_failures}
    return tuple(
        PodRef(name=pod.name, uid=pod.uid) for pod in evidence.current_pods if pod.name in broken and not pod.ready
    )


def describe_failure(evidence: Evidence, failure: Symptom, known: str) -> str:
    """The failure, what is `known` of the release, and the last line of the container's log."""
    log = next((tail.lines[-1] for tail in evidence.logs if tail.container == failure.container and tail.lines), "")
    return "; ".join(filter(None, (str(failure), known))) + "." + (f' Last log line: "{log}"' if log else "")


def look_at(evidence: Evidence, failures: Sequence[Symptom]) -> str:
    """The command that shows more of the first failure: the log of a program that ran, or the events of its pod."""
    namespace, first = evidence.workload.ref.namespace, next(iter(failures), None)
    if first is None or not first.pod:
        return f"kubectl describe {evidence.workload.ref} -n {namespace}"
    if first.kind in (Kind.CRASH, Kind.OOM) and first.container:
        return f"kubectl logs {first.pod} -c {first.container} -n {namespace} --previous"
    return f"kubectl describe pod {first.pod} -n {namespace}"


def settle(policy: EffectivePolicy) -> Settle:
    """The policy's rule for verifying a step."""
    rule = policy.verification
    assert rule.timeout is not None
    assert rule.window is not None
    return Settle(timeout=rule.timeout, window=rule.window, checks=rule.checks or ())


def diagnose_load(cause: Cause, resource: Resource, message: str, findings: Findings) -> Diagnosis | Rejected:
    """Match a report of high usage that measurements do not contradict. The message may name the `{container}`."""
    if saturated_resource(findings.evidence.incident.type) != resource:
        return Rejected(cause=cause, reason=f"no high {NAMES[resource]} usage was reported")
    load = measure_evidence(resource, findings.evidence)
    if load is None:
        unconfirmed = f"High {NAMES[resource]} usage was reported; no measurement confirms it."
        return Diagnosis(cause=cause, confidence=0.2, message=unconfirmed)
    if not load.high:
        return Rejected(cause=cause, reason=str(load))
    text = message.format(container=load.container)
    return Diagnosis(cause=cause, confidence=0.9, message=text, container=load.container, decided_by=(str(load),))


def plan_relief(action: Action, load: Load, policy: EffectivePolicy) -> Plan:
    """The step that must, by the policy's rule and measurements, bring the load below what counts as high."""
    rule = settle(policy)
    relief = Relief(resource=load.resource, container=load.container, below=HIGH[load.resource])
    rule = rule.model_copy(update={"timeout": rule.timeout + _MEASUREMENT_DELAY_SECONDS, "relief": relief})
    step = Step(action=action, settle=rule, why=str(load))
    return Plan(steps=(step,), next_step="If that does not help, undo it and escalate.")


def plan_without_metrics(diagnosis: Diagnosis) -> Plan:
    """An empty plan: nothing is written without data."""
    return Plan(
        reason="MetricsUnavailable",
        message=diagnosis.message,
        next_step="Check that a metrics source responds, then look at the pods' usage yourself.",
    )
