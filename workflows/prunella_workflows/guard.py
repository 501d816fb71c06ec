"""May we act? Each guard is a pure function of one case; all answers are reported, the first that holds decides.

A guard that holds either only shows the plan (Observe), closes the incident unseen (opted out), waits (budget), or
hands over with the exact change to make. The guards in AT_WRITE are asked again right before each write.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from prunella_workflows.model.base import Value
from prunella_workflows.model.evidence import IncidentBrief
from prunella_workflows.model.incident import Phase
from prunella_workflows.model.outcome import Cause, Effect, GuardResult
from prunella_workflows.model.plan import Action, RestoreTemplate
from prunella_workflows.model.policy import EffectivePolicy, MaintenanceWindow, PolicyMode, format_duration
from prunella_workflows.model.workload import WorkloadView

IGNORE = "prunella.dev/ignore"
HEAL = "prunella.dev/heal"
_ACTIVE = frozenset({Phase.REPAIRING, Phase.VERIFYING})
_ROLLOUT_PATIENCE = timedelta(minutes=2)
_FAILURE_MEMORY = timedelta(hours=4)
_FAILURES = 3
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_HANDLED_KINDS = frozenset({"Deployment", "StatefulSet", "DaemonSet"})


class GuardCase(Value):
    """Everything a guard may look at."""

    now: datetime
    incident: str = ""
    workload: WorkloadView
    namespace_labels: dict[str, str]
    protected_namespaces: tuple[str, ...] = ()
    policy: EffectivePolicy
    cause: Cause = Cause.UNKNOWN
    action: Action | None = None
    incidents: tuple[IncidentBrief, ...] = ()
    opened_at: datetime | None = None
    release_since: datetime | None = None
    healthy_percent: float | None = None


Guard = Callable[[GuardCase], GuardResult]


def protected_namespace(case: GuardCase) -> GuardResult:
    """kube-* namespaces and Prunella's own are never written to."""
    namespace = case.workload.ref.namespace
    if namespace.startswith("kube-") or namespace in case.protected_namespaces:
        return _hold("ProtectedNamespace", Effect.SUPPRESS, "Protected", f"Namespace {namespace} is always protected.")
    return _pass("ProtectedNamespace")


def opted_out(case: GuardCase) -> GuardResult:
    """The label or annotation prunella.dev/ignore=true on namespace or workload."""
    for where, values in (("namespace", case.namespace_labels), ("workload", case.workload.labels)):
        if values.get(IGNORE) == "true":
            return _hold("OptedOut", Effect.SUPPRESS, "Ignored", f"The {where} carries {IGNORE}=true.")
    if case.workload.annotations.get(IGNORE) == "true":
        return _hold("OptedOut", Effect.SUPPRESS, "Ignored", f"The workload is annotated {IGNORE}=true.")
    return _pass("OptedOut")


def target_alive(case: GuardCase) -> GuardResult:
    """A workload that is being deleted is not repaired."""
    if case.workload.deleting:
        return _hold("TargetAlive", Effect.SUPPRESS, "Deleting", f"{case.workload.ref} is being deleted.")
    return _pass("TargetAlive")


def handled_kind(case: GuardCase) -> GuardResult:
    """Only kinds whose repairs are proven are written to; all others are reported."""
    if case.workload.ref.kind not in _HANDLED_KINDS:
        return _hold("HandledKind", Effect.ESCALATE, "ReportOnly", f"A {case.workload.ref.kind} is only reported.")
    return _pass("HandledKind")


def paused(case: GuardCase) -> GuardResult:
    """Somebody paused the rollout on purpose. The API server does not protect it from a patch: we must."""
    if case.workload.paused:
        return _hold(
            "PausedRollout",
            Effect.ESCALATE,
            "Paused",
            f"The rollout of {case.workload.ref} is paused.",
            f"kubectl rollout resume {case.workload.ref} -n {case.workload.ref.namespace}",
        )
    return _pass("PausedRollout")


def cause_allowed(case: GuardCase) -> GuardResult:
    """The policy may name the causes and actions it allows (none named: all)."""
    policy = case.policy
    if policy.causes and case.cause not in policy.causes:
        return _hold(
            "Allowed", Effect.ESCALATE, "CauseNotAllowed", f"The policy does not allow repairs of {case.cause}."
        )
    if policy.actions and case.action is not None and case.action.kind not in policy.actions:
        return _hold("Allowed", Effect.ESCALATE, "ActionNotAllowed", f"The policy does not allow {case.action.kind}.")
    return _pass("Allowed")


def rollback_frozen(case: GuardCase) -> GuardResult:
    """The policy may forbid rollbacks (a database migration cannot be taken back)."""
    if case.policy.rollback == "Freeze" and isinstance(case.action, RestoreTemplate):
        return _hold(
            "RollbackFrozen",
            Effect.ESCALATE,
            "Frozen",
            "The policy freezes rollbacks.",
            f"If it is safe: {case.action}.",
        )
    return _pass("RollbackFrozen")


def gitops_owned(case: GuardCase) -> GuardResult:
    """A field that Git or Helm owns is changed there: our change would be reverted or would fight the owner."""
    owner = _git_owner(case.workload)
    if owner and case.policy.git_ops != "Act":
        return _hold(
            "GitOpsOwned",
            Effect.ESCALATE,
            "OwnedElsewhere",
            f"{case.workload.ref} is managed by {owner}.",
            f"Make this change in its source: {case.action}." if case.action else "",
        )
    return _pass("GitOpsOwned")


def _git_owner(workload: WorkloadView) -> str:
    marks = {**workload.labels, **workload.annotations}
    if "argocd.argoproj.io/tracking-id" in marks or any("argocd" in one for one in workload.managers):
        return "Argo CD"
    if any(key.startswith(("kustomize.toolkit.fluxcd.io/", "helm.toolkit.fluxcd.io/")) for key in marks):
        return "Flux"
    if "meta.helm.sh/release-name" in marks or marks.get("app.kubernetes.io/managed-by") == "Helm":
        return "Helm"
    return ""


def rollout_by_a_person(case: GuardCase) -> GuardResult:
    """Somebody rolled out something since the fault was seen: let it finish before judging it."""
    since, opened = case.release_since, case.opened_at
    fresh = since is not None and opened is not None and since > opened and case.now - since < _ROLLOUT_PATIENCE
    if fresh and not case.workload.complete:
        message = f"A new release of {case.workload.ref} is being rolled out; waiting for it."
        return _hold("RolloutInProgress", Effect.WAIT, "RolloutInProgress", message)
    return _pass("RolloutInProgress")


def repeated_failures(case: GuardCase) -> GuardResult:
    """Repairs of this workload that ended with a person three times: stop for a time, a person is needed."""
    recent = [
        one
        for one in _others(case)
        if _same_workload(case, one)
        and one.phase is Phase.ESCALATED
        and one.repaired_at is not None
        and case.now - one.repaired_at < _FAILURE_MEMORY
    ]
    if len(recent) >= _FAILURES:
        message = f"{len(recent)} incidents of this workload could not be repaired of late."
        return _hold("RepeatedFailures", Effect.ESCALATE, "RepeatedFailures", message)
    return _pass("RepeatedFailures")


def minimum_healthy(case: GuardCase) -> GuardResult:
    """When much of the namespace is sick, the cause is larger than one workload: repairs would only add noise."""
    minimum, healthy = case.policy.budgets.minimum_healthy_percent, case.healthy_percent
    if minimum and healthy is not None and healthy < minimum:
        message = f"Only {healthy:.0f} % of the namespace's workloads are healthy (minimum {minimum} %)."
        return _hold("MinimumHealthy", Effect.ESCALATE, "Storm", message)
    return _pass("MinimumHealthy")


def maintenance(case: GuardCase) -> GuardResult:
    """Outside the policy's windows nothing is changed."""
    windows = case.policy.maintenance_windows or ()
    if case.action is not None and windows and not any(_inside(window, case.now) for window in windows):
        return _hold("MaintenanceWindow", Effect.WAIT, "OutsideWindow", "Waiting for the policy's maintenance window.")
    return _pass("MaintenanceWindow")


def _inside(window: MaintenanceWindow, now: datetime) -> bool:
    clock = f"{now:%H:%M}"
    overnight = window.end < window.start
    day = now - timedelta(days=1) if overnight and clock < window.end else now
    if window.days and _DAYS[day.weekday()] not in window.days:
        return False
    return clock >= window.start or clock < window.end if overnight else window.start <= clock < window.end


def cooldown(case: GuardCase) -> GuardResult:
    """A workload that was repaired a moment ago and fails again needs a person, not the same repair again."""
    assert case.policy.cooldown is not None
    spell = timedelta(seconds=case.policy.cooldown)
    for other in _others(case):
        if _same_workload(case, other) and other.repaired_at is not None and case.now - other.repaired_at < spell:
            message = f"It was repaired by incident {other.name} less than {format_duration(case.policy.cooldown)} ago."
            return _hold("Cooldown", Effect.ESCALATE, "RepairedRecently", message)
    return _pass("Cooldown")


def concurrency(case: GuardCase) -> GuardResult:
    """How many repairs may run at once."""
    running = [one for one in _others(case) if one.phase in _ACTIVE]
    here = [one for one in running if one.namespace == case.workload.ref.namespace]
    budgets = case.policy.budgets
    if case.action is None:
        return _pass("Concurrency")
    if budgets.concurrent_per_namespace is not None and len(here) >= budgets.concurrent_per_namespace:
        return _hold("Concurrency", Effect.WAIT, "NamespaceBusy", f"{len(here)} repairs run in this namespace.")
    if budgets.concurrent_per_cluster is not None and len(running) >= budgets.concurrent_per_cluster:
        return _hold("Concurrency", Effect.WAIT, "ClusterBusy", f"{len(running)} repairs run in this cluster.")
    return _pass("Concurrency")


def hourly_budget(case: GuardCase) -> GuardResult:
    """How many repairs may be made in an hour. A spent budget goes to a person: something larger is wrong."""
    hour = [one for one in _others(case) if one.repaired_at and case.now - one.repaired_at < timedelta(hours=1)]
    here = [one for one in hour if one.namespace == case.workload.ref.namespace]
    budgets = case.policy.budgets
    for count, budget, whose in (
        (sum(_same_workload(case, one) for one in hour), budgets.per_hour_per_workload, "workload"),
        (len(here), budgets.per_hour_per_namespace, "namespace"),
        (len(hour), budgets.per_hour_per_cluster, "cluster"),
    ):
        if budget is not None and count >= budget:
            message = f"{count} repairs were made in the last hour: the budget of this {whose} is spent."
            return _hold("HourlyBudget", Effect.ESCALATE, "BudgetSpent", message)
    return _pass("HourlyBudget")


def observe_mode(case: GuardCase) -> GuardResult:
    """Without an opt-in Prunella diagnoses and shows the plan, and writes nothing."""
    if case.policy.mode is PolicyMode.OBSERVE:
        return _hold(
            "Mode",
            Effect.SHOW_ONLY,
            "ObserveMode",
            "Prunella only observes here.",
            f"To let it heal: kubectl label namespace {case.workload.ref.namespace} {HEAL}=enabled",
        )
    return _pass("Mode")


AT_WRITE: tuple[Guard, ...] = (
    protected_namespace,
    opted_out,
    target_alive,
    observe_mode,
    handled_kind,
    paused,
    rollback_frozen,
    gitops_owned,
)
GUARDS: tuple[Guard, ...] = (
    protected_namespace,
    opted_out,
    target_alive,
    observe_mode,
    handled_kind,
    paused,
    cause_allowed,
    rollback_frozen,
    gitops_owned,
    minimum_healthy,
    repeated_failures,
    cooldown,
    hourly_budget,
    rollout_by_a_person,
    maintenance,
    concurrency,
)


def ask(guards: tuple[Guard, ...], case: GuardCase) -> tuple[GuardResult, ...]:
    """Every guard's answer, in order."""
    return tuple(guard(case) for guard in guards)


def holding(answers: tuple[GuardResult, ...]) -> GuardResult | None:
    """The answer that decides: the first guard that holds."""
    return next((one for one in answers if one.held), None)


def approval_needed(policy: EffectivePolicy, action: Action, severity: str) -> bool:
    """Whether a person must agree first: never, always, or for the actions and severities that the policy lists."""
    rule = policy.approval
    listed = action.kind in (rule.actions or ()) or severity in (rule.severities or ())
    return rule.when == "Always" or (rule.when == "ByActionOrSeverity" and listed)


def _others(case: GuardCase) -> list[IncidentBrief]:
    return [one for one in case.incidents if one.name != case.incident or one.namespace != case.workload.ref.namespace]


def _same_workload(case: GuardCase, other: IncidentBrief) -> bool:
    return other.namespace == case.workload.ref.namespace and other.workload == str(case.workload.ref)


def _pass(name: str) -> GuardResult:
    return GuardResult(name=name)


def _hold(name: str, effect: Effect, reason: str, message: str, next_step: str = "") -> GuardResult:
    return GuardResult(name=name, effect=effect, reason=reason, message=message, next_step=next_step)
