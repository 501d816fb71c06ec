"""Healing policies: the permissions that owners grant.

The docstring below a field is its description in the CRD (`make crds`).
"""

from enum import StrEnum

from prunella_workflows.model.alert_policy import AlertPolicy
from prunella_workflows.model.autonomy import AutonomyRule
from prunella_workflows.model.base import Value
from prunella_workflows.model.duration import Duration
from prunella_workflows.model.hours import MaintenanceWindow
from prunella_workflows.model.label_selector import LabelSelector
from prunella_workflows.model.policy_approval import ApprovalRule, ApprovalWhen
from prunella_workflows.model.policy_escalation import EscalationRule
from prunella_workflows.model.policy_limits import BackOff, Budgets, Limits, Resize
from prunella_workflows.model.policy_verification import Verification
from prunella_workflows.model.telemetry_policy import TelemetryPolicy


class PolicyMode(StrEnum):
    """Observe diagnoses and shows the plan; Heal also carries it out."""

    OBSERVE = "Observe"
    HEAL = "Heal"


class GitOps(StrEnum):
    """Handling of a workload that Git or Helm owns: escalate with the change, or make it."""

    ESCALATE = "Escalate"
    ACT = "Act"


class Rollback(StrEnum):
    """Permission to roll back a release."""

    ALLOW = "Allow"
    FREEZE = "Freeze"


class PolicySpec(Value):
    """The fields that both kinds of policy share. All are optional; unset ones fall back to less specific ones."""

    mode: PolicyMode | None = None
    """Observe diagnoses and shows the plan and its exact diff in the incident; Heal also carries it out. In
    namespaces labelled prunella.dev/heal=enabled an unset mode is Heal."""
    causes: tuple[str, ...] | None = None
    """The root causes that may be repaired; an empty list allows all. Faults with other causes are escalated."""
    actions: tuple[str, ...] | None = None
    """The actions that may be used; an empty list allows all but RaiseMaxReplicas. SetMemory changes a container's
    memory, ResizePods does so in running pods only, RestoreTemplate rolls back to an earlier pod template, Restart
    replaces all pods with a rolling update, EvictPods has pods in a long back-off replaced once their dependency is
    back, Scale sets the number of replicas where no autoscaler does (of a StatefulSet only if it is listed here),
    RaiseMaxReplicas raises the maximum of a HorizontalPodAutoscaler and is used only if it is listed here."""
    grace: Duration | None = None
    """Time a fault must persist before Prunella acts (0s to 1h). Faults that end earlier are closed as Recovered."""
    alert_patience: Duration | None = None
    """Time for which an incident that an alert opened is watched while the alert fires and the pods look well (0s to
    15m). Then it is escalated."""
    back_off: BackOff = BackOff()
    """Patience with a minority of pods that crash after the rollout was complete, until both values are reached.
    OOM kills, single replicas and a majority that crashes are diagnosed after grace, as usual."""
    limits: Limits = Limits()
    """Limits of a repair."""
    budgets: Budgets = Budgets()
    """Limits on concurrent repairs and repairs per hour. One over budget waits or is escalated, naming the budget."""
    cooldown: Duration | None = None
    """Time a workload is left alone after a repair, as a duration. A new release of its owner is repaired meanwhile,
    and the same fault again within relapseWindow continues the earlier incident."""
    relapse_window: Duration | None = None
    """Time after an incident in which the same fault of the same release is its relapse, as a duration up to 3h: the
    next incident takes its attempts over, undoes what did not last, and tries what is left. 0s disables this."""
    approval: ApprovalRule = ApprovalRule()
    """Repairs that need a person's approval, and the people who may give it."""
    autonomy: AutonomyRule = AutonomyRule()
    """Autonomy that each action must earn on each workload by its track record, within the mode. Off by default."""
    verification: Verification = Verification()
    """Verification of a repair by timeout, window and checks. If it fails, the repair is undone and the next tried."""
    maintenance_windows: tuple[MaintenanceWindow, ...] | None = None
    """Hours in which repairs are allowed; outside of them incidents are diagnosed and wait. Empty: all hours."""
    escalation: EscalationRule = EscalationRule()
    """Notification of people when an incident is escalated."""
    git_ops: GitOps | None = None
    """Handling of workloads managed by Argo CD, Flux or the like, which would revert a repair. Escalate notifies
    people with the change to make in Git; Act repairs once, and escalates when the repair is reverted."""
    rollback: Rollback | None = None
    """Allow lets Prunella roll back a bad release; Freeze leaves every release as it is and escalates."""


class HealingPolicySpec(PolicySpec):
    """A namespace's policy; `selector` restricts it to workloads with these labels."""

    selector: LabelSelector | None = None
    """The workloads this policy applies to, by their own labels. Omit it for all workloads of the namespace."""


class ClusterHealingPolicySpec(PolicySpec):
    """A policy for the namespaces that `namespaceSelector` selects (all when absent)."""

    namespace_selector: LabelSelector | None = None
    """The namespaces this policy applies to, by the labels of the Namespace object. Omit it for all namespaces."""
    alerts: AlertPolicy = AlertPolicy()
    """Handling of alerts from Alertmanager. The rules of all policies apply, those of the policy whose name sorts
    last first; the other fields are taken from the last policy that sets them."""
    telemetry: TelemetryPolicy = TelemetryPolicy()
    """Detection of anomalies in telemetry and their handling. Each field is taken from the last policy that sets it.
    Detection is the same for the whole cluster: namespaceSelector limits mode only."""


class PolicyLayer(Value):
    """A policy that selects a workload. Layers are merged in the order of `rank`, those of one rank by `source`.

    Ranks: 0 for a ClusterHealingPolicy, 1 for a HealingPolicy of the namespace, 2 for one with a selector.
    """

    source: str
    """Kind and name, such as `HealingPolicy/payments`."""
    rank: int
    spec: PolicySpec


class EffectivePolicy(PolicySpec):
    """One workload's policy after merging: every field has a value. `sources` names the merged policies."""

    sources: tuple[str, ...] = ()


BUILT_IN = PolicySpec(
    mode=PolicyMode.OBSERVE,
    causes=(),
    actions=(),
    grace=10.0,
    alert_patience=600.0,
    back_off=BackOff(restarts=3, time=60.0),
    limits=Limits(
        memory_max=2 << 30,
        memory_factor=1.5,
        memory_min_step=64 << 20,
        resize=Resize.ROLLOUT,
        replicas_max=10,
        attempts=3,
    ),
    budgets=Budgets(
        concurrent_per_namespace=5,
        concurrent_per_cluster=20,
        per_hour_per_workload=6,
        per_hour_per_namespace=30,
        per_hour_per_cluster=120,
        minimum_healthy_percent=0,
    ),
    cooldown=300.0,
    relapse_window=3600.0,
    approval=ApprovalRule(when=ApprovalWhen.NEVER, actions=(), severities=(), timeout=7 * 86400.0, approvers=()),
    autonomy=AutonomyRule(enabled=False, confidence=0.95, approval_above=0.5, heal_above=0.8, clean_run=5),
    verification=Verification(window=60.0, timeout=120.0, checks=()),
    maintenance_windows=(),
    escalation=EscalationRule(channels=(), levels=(), ticket="", quiet_hours=()),
    git_ops=GitOps.ESCALATE,
    rollback=Rollback.ALLOW,
)
"""The values of fields that no policy sets."""
