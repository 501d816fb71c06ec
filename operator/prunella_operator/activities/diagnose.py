"""Confirm and diagnose: gather evidence, then let the brain answer. Writes nothing."""

from collections.abc import Iterator

from prunella_operator.activities.evidence.collector import EvidenceCollector
from prunella_operator.activities.evidence.policies import effective_policy
from prunella_operator.activities.repair.guard_checks import answers
from prunella_operator.activities.repair.repair_slots import RepairSlotAllocator
from prunella_operator.activities.repair.repairer import Repairer
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_workflows.contracts.healing import Confirmation, ConfirmRequest, DiagnoseReport, DiagnoseRequest
from prunella_workflows.decisions import guards as guard
from prunella_workflows.decisions import playbooks
from prunella_workflows.decisions.diagnosis import external_cause, probe_events
from prunella_workflows.decisions.diagnosis.symptoms import symptoms
from prunella_workflows.decisions.verification import verification
from prunella_workflows.model.errors import PrunellaError
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.incident_status import EvidenceNote
from prunella_workflows.model.outcome import Cause, Diagnosis
from prunella_workflows.model.plan import Action, Plan
from prunella_workflows.model.policy import EffectivePolicy

_NOTES = 20
_CONTAINERS = 3
_MIB = 1 << 20


class Diagnoser:
    """Reads the cluster and asks the brain."""

    def __init__(
        self, kube: SyncClient, gatherer: EvidenceCollector, repairer: Repairer, protected: tuple[str, ...]
    ) -> None:
        self._kube = kube
        self._gatherer = gatherer
        self._repairer = repairer
        self._protected = protected
        self._turns = RepairSlotAllocator(kube)

    def confirm(self, request: ConfirmRequest) -> Confirmation:
        """Resolve the target and look whether the fault is there."""
        target = self._gatherer.resolve(request.incident, request.spec)
        evidence = self._gatherer.evidence(target, request.spec, request.opened_at, deep=False, since=request.since)
        policy = effective_policy(self._kube, evidence.workload, evidence.namespace_labels)
        assert policy.grace is not None
        return Confirmation(target=target, sighting=verification.confirm(evidence, policy.grace, request.calm_since))

    def diagnose(self, request: DiagnoseRequest) -> DiagnoseReport:
        """The root cause, what is left to try, every guard's answer, and the exact change of the next step."""
        name = request.incident.name
        evidence = self._gatherer.evidence(request.target, request.spec, request.opened_at, deep=True, name=name)
        policy = effective_policy(self._kube, evidence.workload, evidence.namespace_labels)
        diagnosis, plan = playbooks.decide(evidence, policy, request.tried)
        action = plan.steps[0].action if plan.steps else None
        culprit = external_cause.culprit(diagnosis.cause, evidence)
        case = guard.GuardCase(
            now=evidence.read_at,
            incident=name,
            workload=evidence.workload,
            scaling=evidence.scaling,
            namespace_labels=evidence.namespace_labels,
            protected_namespaces=self._protected,
            policy=policy,
            cause=diagnosis.cause,
            action=action,
            severity=request.spec.severity,
            approval=request.answer or request.spec.approval,
            incidents=evidence.incidents,
            slots=self._turns.glance(request.incident.uid),
            opened_at=request.opened_at,
            release_since=next((revision.created_at for revision in evidence.revisions if revision.current), None),
            healthy_percent=self._gatherer.healthy_percent(request.target.namespace, policy),
            external_cause=culprit,
            waiting_since=request.waiting_since if culprit and culprit.target == request.waiting_for else None,
            pending=_unheard(diagnosis, evidence),
        )
        return self._report(request, evidence, policy, diagnosis=diagnosis, plan=plan, case=case)

    def _report(
        self,
        request: DiagnoseRequest,
        evidence: Evidence,
        policy: EffectivePolicy,
        *,
        diagnosis: Diagnosis,
        plan: Plan,
        case: guard.GuardCase,
    ) -> DiagnoseReport:
        action = case.action
        assert policy.limits.attempts is not None
        assert policy.approval.timeout is not None
        return DiagnoseReport(
            diagnosis=diagnosis,
            plan=plan,
            guards=answers(guard.GUARDS, case, request.known),
            evidence=_notes(evidence, diagnosis, policy),
            diff=self._preview(action) if action is not None else "",
            available=evidence.workload.available_replicas,
            attempts_max=policy.limits.attempts,
            has_checks=bool(policy.verification.checks),
            approval_needed=action is not None and guard.approval_needed(policy, action, request.spec.severity),
            approval_timeout=policy.approval.timeout,
            approvers=policy.approval.approvers or (),
            escalation=policy.escalation,
            caused_by=case.external_cause.note if case.external_cause is not None else None,
        )

    def _preview(self, action: Action) -> str:
        """The diff for people; the repair itself will say more clearly what stands in its way."""
        try:
            return self._repairer.preview(action)
        except PrunellaError as error:
            return f"(no diff: {error})"


def _unheard(diagnosis: Diagnosis, evidence: Evidence) -> str:
    """What the kubelet has still to say, where the diagnosis would be another one then."""
    if diagnosis.cause is Cause.UNKNOWN:
        return probe_events.untold(evidence) or probe_events.unsettled(evidence)
    return probe_events.unheard(evidence) if diagnosis.cause is Cause.POD_CRASH_LOOP else ""


def _notes(evidence: Evidence, diagnosis: Diagnosis, policy: EffectivePolicy) -> tuple[EvidenceNote, ...]:
    """What a person can check, the deciding facts first."""
    notes = [EvidenceNote(source="Decided by", message=fact) for fact in diagnosis.decided_by]
    seen = set(diagnosis.decided_by)
    notes += [
        EvidenceNote(source="Pod", message=str(symptom))
        for symptom in symptoms(evidence.live_pods)
        if str(symptom) not in seen
    ][:5]
    notes += [EvidenceNote(source="Usage", message=one) for one in _usage(evidence)]
    notes += [
        EvidenceNote(source=f"Log {tail.pod}/{tail.container}", message=" | ".join(tail.lines[-3:]))
        for tail in evidence.logs
        if tail.lines
    ]
    notes += [
        EvidenceNote(source=f"Event {event.about}", message=f"{event.reason}: {event.message}")
        for event in evidence.events[-5:]
    ]
    notes += [EvidenceNote(source=f"Not {one.cause}", message=one.reason) for one in diagnosis.rejected]
    notes.append(EvidenceNote(source="Policy", message=", ".join(policy.sources) or "built-in default"))
    return tuple(note.model_copy(update={"message": note.message[:600]}) for note in notes[:_NOTES])


def _usage(evidence: Evidence) -> Iterator[str]:
    """What the containers use, or why nobody knows, where that was asked."""
    if evidence.usage_note:
        yield evidence.usage_note
    for container in (evidence.usage.containers if evidence.usage is not None else ())[:_CONTAINERS]:
        cpu = "?" if container.cpu_cores is None else f"{container.cpu_cores:.2f} cores"
        memory = "?" if container.memory_bytes is None else f"{container.memory_bytes / _MIB:.0f} MiB"
        yield f"pod {container.pod}, container {container.container}: {cpu}, {memory}"
