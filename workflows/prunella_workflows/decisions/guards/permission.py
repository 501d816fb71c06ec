"""Does the owner want this: opt-in and opt-out, protected namespaces, and what the policy allows."""

from prunella_workflows.decisions.guards.case import GuardCase, hold, passed
from prunella_workflows.model.incident import Decision
from prunella_workflows.model.labels import HEAL, IGNORE
from prunella_workflows.model.outcome import Effect, GuardResult
from prunella_workflows.model.plan import Action, RestoreTemplate
from prunella_workflows.model.policy import ApprovalWhen, EffectivePolicy, PolicyMode, Rollback


def protected_namespace(case: GuardCase) -> GuardResult:
    """kube-* namespaces and Prunella's own are never written to."""
    namespace = case.workload.ref.namespace
    if namespace.startswith("kube-") or namespace in case.protected_namespaces:
        return hold("ProtectedNamespace", Effect.SUPPRESS, "Protected", f"Namespace {namespace} is always protected.")
    return passed("ProtectedNamespace")


def opted_out(case: GuardCase) -> GuardResult:
    """The label or annotation `ignore=true` of ours on namespace or workload."""
    for where, values in (("namespace", case.namespace_labels), ("workload", case.workload.labels)):
        if values.get(IGNORE) == "true":
            return hold("OptedOut", Effect.SUPPRESS, "Ignored", f"The {where} carries {IGNORE}=true.")
    if case.workload.annotations.get(IGNORE) == "true":
        return hold("OptedOut", Effect.SUPPRESS, "Ignored", f"The workload is annotated {IGNORE}=true.")
    return passed("OptedOut")


def target_alive(case: GuardCase) -> GuardResult:
    """A workload that is being deleted is not repaired."""
    if case.workload.deleting:
        return hold("TargetNotDeleting", Effect.SUPPRESS, "Deleting", f"{case.workload.ref} is being deleted.")
    return passed("TargetNotDeleting")


def handled_kind(case: GuardCase) -> GuardResult:
    """Only kinds whose repairs are proven are written to; all others are reported."""
    if not case.workload.ref.repairable:
        return hold("SupportedKind", Effect.ESCALATE, "ReportOnly", f"A {case.workload.ref.kind} is only reported.")
    return passed("SupportedKind")


def cause_allowed(case: GuardCase) -> GuardResult:
    """The policy may name the causes and actions it allows (none named: all)."""
    policy = case.policy
    if policy.causes and case.cause not in policy.causes:
        return hold(
            "PolicyAllows", Effect.ESCALATE, "CauseNotAllowed", f"The policy does not allow repairs of {case.cause}."
        )
    if policy.actions and case.action is not None and case.action.kind not in policy.actions:
        return hold(
            "PolicyAllows", Effect.ESCALATE, "ActionNotAllowed", f"The policy does not allow {case.action.kind}."
        )
    return passed("PolicyAllows")


def rollback_frozen(case: GuardCase) -> GuardResult:
    """The policy may forbid rollbacks (a database migration cannot be taken back)."""
    if case.policy.rollback is Rollback.FREEZE and isinstance(case.action, RestoreTemplate):
        return hold(
            "RollbackFrozen",
            Effect.ESCALATE,
            "Frozen",
            "The policy freezes rollbacks.",
            f"If it is safe: {case.action}.",
        )
    return passed("RollbackFrozen")


def observe_mode(case: GuardCase) -> GuardResult:
    """Without an opt-in Prunella diagnoses and shows the plan, and writes nothing."""
    if case.policy.mode is PolicyMode.OBSERVE:
        return hold(
            "Mode",
            Effect.SHOW_ONLY,
            "ObserveMode",
            "Prunella only observes here.",
            f"To let it heal: kubectl label namespace {case.workload.ref.namespace} {HEAL}=enabled",
        )
    return passed("Mode")


def approval(case: GuardCase) -> GuardResult:
    """A person must agree first, and one whom the policy names."""
    if case.action is None or not approval_needed(case.policy, case.action, case.severity):
        return passed("Approval")
    answer, approvers = case.answer, case.policy.approval.approvers or ()
    if answer is not None and not answer.is_by_one_of(approvers):
        message = f"{answer.by or 'Somebody'} may not approve here; {' or '.join(approvers)} may."
        return hold("Approval", Effect.ASK, "NotAnApprover", message)
    if answer is None or answer.decision is not Decision.APPROVED:
        return hold("Approval", Effect.ASK, "ApprovalNeeded", "A person must agree to this repair first.")
    return passed("Approval")


def approval_needed(policy: EffectivePolicy, action: Action, severity: str) -> bool:
    """Whether a person must agree first: never, always, or for the actions and severities that the policy lists."""
    rule = policy.approval
    listed = action.kind in (rule.actions or ()) or severity in (rule.severities or ())
    return rule.when is ApprovalWhen.ALWAYS or (rule.when is ApprovalWhen.BY_ACTION_OR_SEVERITY and listed)
