"""Decide on one incident: facts in; diagnosis, plan and guards out. Pure, so that decisions can be replayed."""

from collections.abc import Iterator

from prunella_workflows.contracts.healing import DiagnoseReport, DiagnoseRequest
from prunella_workflows.decisions import guards, playbooks
from prunella_workflows.decisions.autonomy.level import judge
from prunella_workflows.decisions.autonomy.lowest_level import find_lowest
from prunella_workflows.decisions.autonomy.track_record import add_missing, add_trials, of_workload
from prunella_workflows.decisions.autonomy.trials import trials_of_attempts
from prunella_workflows.decisions.diagnosis import memory_kills, probe_events, relapse, startup
from prunella_workflows.decisions.diagnosis.anomalies import open_anomalies
from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.telemetry.alerts import describe
from prunella_workflows.decisions.verification.baseline import measure_baseline
from prunella_workflows.model.autonomy import AutonomyNote, TrackRecord
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.facts import Facts
from prunella_workflows.model.incident_status import Attempt, EvidenceNote
from prunella_workflows.model.outcome import Cause, Diagnosis
from prunella_workflows.model.plan import Plan, Step
from prunella_workflows.model.policy import EffectivePolicy
from prunella_workflows.model.policy_merge import merge_layers

_UNEXPLAINED = frozenset({Cause.BAD_RELEASE, Cause.ENVIRONMENT_CHANGED, Cause.POD_CRASH_LOOP})
_MAX_NOTES = 30
_MAX_CONTAINERS = 3
_MIB = 1 << 20


def decide(request: DiagnoseRequest, facts: Facts) -> DiagnoseReport:
    """The root cause, the steps still to try, and every guard's result; without the diff, which needs the cluster."""
    evidence = facts.evidence
    policy = merge_layers(facts.policies, evidence.namespace_labels)
    findings = Findings(evidence)
    diagnosis, plan = playbooks.decide(findings, policy, request.tried)
    earlier = () if request.tried else _earlier_attempts(findings, diagnosis, policy)
    if earlier:
        diagnosis, plan = playbooks.decide(findings, policy, earlier)
    attempts = request.tried or earlier
    case = _guard_case(request, facts, findings, policy=policy, diagnosis=diagnosis, plan=plan, attempts=attempts)
    if plan.optional and guards.first_block(guards.evaluate(guards.GUARDS, case)) is not None:
        plan, case = plan.model_copy(update={"steps": ()}), case.model_copy(update={"action": None})
    report = _report(findings, diagnosis, plan, case)
    return report.model_copy(update={"earlier": earlier})


def _guard_case(
    request: DiagnoseRequest,
    facts: Facts,
    findings: Findings,
    *,
    policy: EffectivePolicy,
    diagnosis: Diagnosis,
    plan: Plan,
    attempts: tuple[Attempt, ...],
) -> guards.GuardCase:
    evidence, cause = facts.evidence, findings.external_cause(diagnosis.cause)
    step = next(iter(plan.steps), None)
    return guards.GuardCase(
        now=evidence.read_at,
        incident=request.incident.name,
        workload=evidence.workload,
        pods=evidence.pods,
        scaling=evidence.scaling,
        namespace_labels=evidence.namespace_labels,
        protected_namespaces=facts.protected_namespaces,
        policy=policy,
        cause=diagnosis.cause,
        action=step.action if step is not None else None,
        severity=request.spec.severity,
        approval=request.answer or request.spec.approval,
        incidents=evidence.incidents,
        slots=facts.slots,
        opened_at=request.opened_at,
        release_since=next((revision.created_at for revision in evidence.revisions if revision.current), None),
        healthy_percent=facts.healthy_percent,
        external_cause=cause,
        waiting_since=request.waiting_since if cause and cause.target == request.waiting_for else None,
        pending=_pending_report(diagnosis, plan, findings),
        running_init=startup.find_running_init(evidence),
        continues=playbooks.earlier_incidents(attempts),
        undoes=plan.undoes,
        unjudged_since=relapse.find_unjudged(evidence, request.tried),
        tried=bool(attempts),
        autonomy=_autonomy(request, facts, policy, step, attempts),
    )


def _autonomy(
    request: DiagnoseRequest,
    facts: Facts,
    policy: EffectivePolicy,
    step: Step | None,
    attempts: tuple[Attempt, ...],
) -> AutonomyNote | None:
    """The level that the action has earned, with what this incident has shown so far; None where none must be.

    What other incidents show to have failed counts, whether or not it could be written to the record.
    """
    if not policy.autonomy.enabled:
        return None
    target, now = facts.evidence.workload.ref, facts.evidence.read_at
    others = (other for other in facts.evidence.incidents if other.workload_uid == target.uid)
    record = of_workload(facts.track_record or TrackRecord(), target)
    record = add_missing(record, (trial for other in others for trial in other.failures))
    record = add_trials(record, trials_of_attempts(request.incident.name, attempts, now))
    action, lowest = step.action.kind if step is not None else "", find_lowest(step, facts.evidence, policy)
    return judge(record, policy.autonomy, target, action, lowest)


def _report(findings: Findings, diagnosis: Diagnosis, plan: Plan, case: guards.GuardCase) -> DiagnoseReport:
    policy = case.policy
    assert policy.limits.attempts is not None
    assert policy.approval.timeout is not None
    return DiagnoseReport(
        diagnosis=diagnosis,
        plan=plan,
        guards=guards.evaluate(guards.GUARDS, case),
        evidence=_notes(findings, diagnosis, policy),
        baseline=measure_baseline(findings),
        attempts_max=policy.limits.attempts,
        has_checks=bool(policy.verification.checks),
        approval_needed=guards.approval_needed(case),
        approval_timeout=policy.approval.timeout,
        approvers=policy.approval.approvers or (),
        escalation=policy.escalation,
        autonomy=case.autonomy,
        caused_by=case.external_cause.note if case.external_cause is not None else diagnosis.caused_by,
    )


def _earlier_attempts(findings: Findings, diagnosis: Diagnosis, policy: EffectivePolicy) -> tuple[Attempt, ...]:
    """The attempts of the incident whose fault is back. A fault that has its cause elsewhere is no relapse."""
    assert policy.relapse_window is not None
    if findings.external_cause(diagnosis.cause) is not None:
        return ()
    return relapse.find_earlier_attempts(findings.evidence, diagnosis.cause, policy.relapse_window)


def _pending_report(diagnosis: Diagnosis, plan: Plan, findings: Findings) -> str:
    """The kubelet's report that is still missing, where it may change the diagnosis."""
    if diagnosis.cause is not Cause.POD_OOM_KILLED and (unclear := memory_kills.reason_pending(findings)):
        return unclear
    if diagnosis.cause is Cause.UNKNOWN:
        pending = probe_events.termination_reason_pending(findings.evidence)
        return pending or probe_events.readiness_pending(findings)
    if diagnosis.cause is Cause.BAD_RELEASE and plan.steps:
        return probe_events.old_pods_pending(findings)
    unexplained = diagnosis.cause in _UNEXPLAINED and not plan.steps
    return probe_events.probe_reason_pending(findings) if unexplained else ""


def _notes(findings: Findings, diagnosis: Diagnosis, policy: EffectivePolicy) -> tuple[EvidenceNote, ...]:
    """Facts that a person can check, the deciding ones first."""
    evidence = findings.evidence
    notes = [EvidenceNote(source="Decided by", message=fact) for fact in diagnosis.decided_by]
    seen = set(diagnosis.decided_by)
    unseen = [str(symptom) for symptom in findings.symptoms if str(symptom) not in seen]
    notes += [EvidenceNote(source="Pod", message=symptom) for symptom in unseen[:5]]
    notes += [EvidenceNote(source="Usage", message=line) for line in _usage(evidence)]
    notes += [EvidenceNote(source="Telemetry", message=describe(anomaly)) for anomaly in open_anomalies(evidence)]
    notes += [
        EvidenceNote(source=f"Log {tail.pod}/{tail.container}", message=" | ".join(tail.lines[-3:]))
        for tail in evidence.logs
        if tail.lines
    ]
    notes += [
        EvidenceNote(source=f"Event {event.about}", message=f"{event.reason}: {event.message}")
        for event in evidence.events[-5:]
    ]
    notes += [EvidenceNote(source=f"Not {cause.cause}", message=cause.reason) for cause in diagnosis.rejected]
    notes.append(EvidenceNote(source="Policy", message=", ".join(policy.sources) or "built-in default"))
    return tuple(note.model_copy(update={"message": note.message[:600]}) for note in notes[:_MAX_NOTES])


def _usage(evidence: Evidence) -> Iterator[str]:
    """The usage of the containers, or why it is unknown, where it was requested."""
    if evidence.usage_note:
        yield evidence.usage_note
    for container in (evidence.usage.containers if evidence.usage is not None else ())[:_MAX_CONTAINERS]:
        cpu = "?" if container.cpu_cores is None else f"{container.cpu_cores:.2f} cores"
        memory = "?" if container.memory_bytes is None else f"{container.memory_bytes / _MIB:.0f} MiB"
        yield f"pod {container.pod}, container {container.container}: {cpu}, {memory}"
