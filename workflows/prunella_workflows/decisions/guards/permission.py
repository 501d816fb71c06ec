"""Guards for the owner's consent: opt-in and opt-out, protected namespaces, and what the policy allows."""

from prunella_workflows.decisions.guards.case import Block, GuardCase
from prunella_workflows.model.autonomy import AutonomyLevel
from prunella_workflows.model.incident import Decision
from prunella_workflows.model.labels import HEAL, IGNORE
from prunella_workflows.model.outcome import Effect
from prunella_workflows.model.plan import RestoreTemplate
from prunella_workflows.model.policy import PolicyMode, Rollback
from prunella_workflows.model.policy_approval import ApprovalWhen
from prunella_workflows.model.workload import is_protected_namespace


def check_protected_namespace(case: GuardCase) -> Block | None:
    """Block writes to kube-* namespaces and Prunella's own."""
    namespace = case.workload.ref.namespace
    if not is_protected_namespace(namespace, case.protected_namespaces):
        return None
    return Block(Effect.SUPPRESS, "Protected", f"Namespace {namespace} is protected; Prunella never changes it.")


def check_opt_out(case: GuardCase) -> Block | None:
    """Block where the namespace is labelled, or the workload labelled or annotated, to be ignored."""
    for place, values in (
        (f"Namespace {case.workload.ref.namespace} has the label", case.namespace_labels),
        (f"{case.workload.ref} has the label", case.workload.labels),
        (f"{case.workload.ref} has the annotation", case.workload.annotations),
    ):
        if values.get(IGNORE) == "true":
            return Block(Effect.SUPPRESS, "Ignored", f"{place} {IGNORE}=true.")
    return None


def check_deletion(case: GuardCase) -> Block | None:
    """Block repairs of a workload that is being deleted."""
    if not case.workload.deleting:
        return None
    return Block(Effect.SUPPRESS, "Deleting", f"{case.workload.ref} is being deleted.")


def check_kind(case: GuardCase) -> Block | None:
    """Block writes to kinds whose repairs are not proven; faults of these are only reported."""
    ref = case.workload.ref
    if ref.repairable:
        return None
    return Block(Effect.ESCALATE, "ReportOnly", f"Prunella does not repair a {ref.kind}; it only reports its faults.")


def check_cause_and_action(case: GuardCase) -> Block | None:
    """Block causes and actions that the policy does not list (an empty list allows all)."""
    policy = case.policy
    if policy.causes and case.cause not in policy.causes:
        message = f"The policy does not allow repairs of {case.cause}."
        return Block(Effect.ESCALATE, "CauseNotAllowed", message)
    if policy.actions and case.action is not None and not case.undoes and case.action.kind not in policy.actions:
        return Block(Effect.ESCALATE, "ActionNotAllowed", f"The policy does not allow {case.action.kind}.")
    return None


def check_rollback_freeze(case: GuardCase) -> Block | None:
    """Block rollbacks where the policy forbids them (a database migration cannot be rolled back)."""
    if case.policy.rollback is not Rollback.FREEZE or not isinstance(case.action, RestoreTemplate) or case.undoes:
        return None
    return Block(Effect.ESCALATE, "Frozen", "The policy freezes rollbacks.", f"If it is safe: {case.action}.")


def check_mode(case: GuardCase) -> Block | None:
    """Block all writes without an opt-in, and those of an action that has not earned more: only the plan is shown."""
    if case.policy.mode is not PolicyMode.OBSERVE:
        return _check_earned(case)
    next_step = f"To let it heal: kubectl label namespace {case.workload.ref.namespace} {HEAL}=enabled"
    return Block(Effect.SHOW_ONLY, "ObserveMode", "Prunella only observes here; nothing was changed.", next_step)


def _check_earned(case: GuardCase) -> Block | None:
    """Block an action that has earned Observe only; after a repair that did not help, a person is needed.

    An undo passes: it restores what was there before.
    """
    if case.action is None or case.undoes or not _has_earned(case, AutonomyLevel.OBSERVE):
        return None
    assert case.autonomy is not None
    next_step = f"If the plan is right, make the change: {case.action}."
    if case.tried:
        return Block(Effect.ESCALATE, "NotEarned", case.autonomy.message, next_step)
    counts = f"{next_step} Its result counts for the next incident, if no other guard would have stopped the plan."
    return Block(Effect.SHOW_ONLY, "NotEarned", case.autonomy.message, counts)


def _has_earned(case: GuardCase, level: AutonomyLevel) -> bool:
    """Report whether exactly this level was earned. Where none must be earned, none is."""
    return case.autonomy is not None and case.autonomy.level is level


def check_approval(case: GuardCase) -> Block | None:
    """Block until a person has approved, and one whom the policy names if it names any."""
    if not approval_needed(case):
        return None
    approval, approvers = case.approval, case.policy.approval.approvers or ()
    if approval is not None and not approval.is_by_one_of(approvers):
        message = f"{approval.by or 'An unnamed person'} may not approve here; {' or '.join(approvers)} may."
        return Block(Effect.ASK, "NotAnApprover", message)
    if approval is None or approval.decision is not Decision.APPROVED:
        return Block(Effect.ASK, "ApprovalNeeded", "This repair needs approval.")
    return None


def approval_needed(case: GuardCase) -> bool:
    """Report whether a person must approve: by the level that the action has earned, or as the policy says, which is
    never, always, or for the actions and severities that it lists.
    """
    rule, action = case.policy.approval, case.action
    if action is None:
        return False
    if _has_earned(case, AutonomyLevel.APPROVAL) and not case.undoes:
        return True
    listed = action.kind in (rule.actions or ()) or case.severity in (rule.severities or ())
    return rule.when is ApprovalWhen.ALWAYS or (rule.when is ApprovalWhen.BY_ACTION_OR_SEVERITY and listed)
