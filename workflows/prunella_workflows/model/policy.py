"""Healing policies: the permissions that owners grant. The most specific policy wins, field by field: `merge`.

The docstring below a field is its description in the CRD (`make crds`).
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from pydantic import field_validator

from prunella_workflows.model import promql
from prunella_workflows.model.alert_policy import AlertPolicy
from prunella_workflows.model.autonomy import AutonomyRule
from prunella_workflows.model.base import Value
from prunella_workflows.model.duration import Duration, Memory
from prunella_workflows.model.hours import MaintenanceWindow, QuietHours
from prunella_workflows.model.label_selector import LabelSelector
from prunella_workflows.model.labels import HEAL
from prunella_workflows.model.telemetry_policy import TelemetryPolicy


class PolicyMode(StrEnum):
    """Observe diagnoses and shows the plan; Heal also carries it out."""

    OBSERVE = "Observe"
    HEAL = "Heal"


class Resize(StrEnum):
    """Method of the first memory raise: in the running pods, where the cluster supports it, or by a rolling update."""

    IN_PLACE = "InPlace"
    ROLLOUT = "Rollout"


class Limits(Value):
    """Limits of a repair. None means: not set in this policy."""

    memory_max: Memory | None = None
    """Maximum memory limit of a container after a raise, as a quantity of at least 1Mi."""
    memory_factor: float | None = None
    """Factor by which a container's memory limit is raised, more than 1 and at most 4."""
    memory_min_step: Memory | None = None
    """Minimum step of a raise of a memory limit, as a quantity of at least 1Mi, so that small limits rise enough."""
    resize: Resize | None = None
    """Method of the first memory raise. InPlace resizes the running pods without a restart where the cluster
    supports it (the template is unchanged, so a person has to make it permanent); Rollout changes the template, unless
    that would take away too many healthy pods."""
    replicas_max: int | None = None
    """Maximum replicas of a workload after a scale-out, and the highest maxReplicas of its autoscaler after a raise."""
    attempts: int | None = None
    """Maximum number of repairs tried for one incident before it is escalated."""


class Budgets(Value):
    """Limits on concurrent repairs, repairs per hour, and the healthy share of the namespace (percent)."""

    concurrent_per_namespace: int | None = None
    """Maximum number of concurrent repairs in one namespace."""
    concurrent_per_cluster: int | None = None
    """Maximum number of concurrent repairs in the cluster. Only in a ClusterHealingPolicy."""
    per_hour_per_workload: int | None = None
    """Maximum number of repairs of one workload in an hour."""
    per_hour_per_namespace: int | None = None
    """Maximum number of repairs of all workloads of one namespace in an hour."""
    per_hour_per_cluster: int | None = None
    """Maximum number of repairs in the cluster in an hour. Only in a ClusterHealingPolicy."""
    minimum_healthy_percent: int | None = None
    """Share of the namespace's workloads, in percent, that must be healthy for a repair: when more are broken, the
    cause is elsewhere. 0 disables this check."""


class BackOff(Value):
    """Patience with a minority of pods that crash after the rollout was complete: the kubelet restarts them itself."""

    restarts: int | None = None
    """Restarts that the kubelet is left to make, at least. 0 disables the patience together with time 0s."""
    time: Duration | None = None
    """Time that is waited since the incident was opened, at least, as a duration of at most 10m."""


class GitOps(StrEnum):
    """Handling of a workload that Git or Helm owns: escalate with the change, or make it."""

    ESCALATE = "Escalate"
    ACT = "Act"


class Rollback(StrEnum):
    """Permission to roll back a release."""

    ALLOW = "Allow"
    FREEZE = "Freeze"


class ApprovalWhen(StrEnum):
    """Repairs that need approval."""

    NEVER = "Never"
    ALWAYS = "Always"
    BY_ACTION_OR_SEVERITY = "ByActionOrSeverity"


class ApprovalRule(Value):
    """Repairs that need approval, and the approvers: `NAME`, `user:NAME` or `group:NAME`; an empty list is everyone."""

    when: ApprovalWhen | None = None
    """Never requires no approval; Always requires it for every repair; ByActionOrSeverity requires it for the listed
    actions and for incidents of the listed severities."""
    actions: tuple[str, ...] | None = None
    """The actions that need approval, with when ByActionOrSeverity."""
    severities: tuple[str, ...] | None = None
    """The severities of incidents whose repairs need approval, with when ByActionOrSeverity."""
    timeout: Duration | None = None
    """Time to wait for a decision, as a duration of at least 1m, before the incident is escalated unrepaired."""
    approvers: tuple[str, ...] | None = None
    """The people who may decide, as NAME, user:NAME or group:NAME. Empty: everyone who may change the workload."""


class Check(Value):
    """A PromQL check that must pass before a repair counts: `query` compared with `threshold` by `operator`."""

    name: str
    """Name of the check, for people."""
    query: str
    """PromQL query that returns one number. $namespace, $workload and $kind stand for the workload, $pods for a
    regex of its pods' names; use them inside the quotes of a label value."""
    operator: str = "<="
    """Comparison of the value with the threshold."""
    threshold: float
    """Threshold, in the query's unit."""


class Verification(Value):
    """Verification of a repair: no standstill for `timeout`, then healthy for `window`, and all checks passed."""

    window: Duration | None = None
    """Time the workload must stay healthy after the repair, as a duration from 1s to 1h."""
    timeout: Duration | None = None
    """Maximum time in which the rollout of a repair makes no progress, as a duration from 10s to 6h."""
    checks: tuple[Check, ...] | None = None
    """Prometheus checks that must all pass before a repair counts as healed. A check without data does not pass."""

    @field_validator("checks")
    @classmethod
    def _reject_unknown_placeholders(cls, checks: tuple[Check, ...] | None) -> tuple[Check, ...] | None:
        """Validate policies only: every later release must be able to read what workflows have recorded.

        Raises:
            ValueError: a query has a placeholder that is unknown or stands where it cannot be escaped.
        """
        for number, check in enumerate(checks or ()):
            try:
                promql.check(check.query)
            except ValueError as error:
                raise ValueError(f"[{number}].query of {check.name}: {error}") from None
        return checks


class EscalationLevel(Value):
    """Channels to notify when no one has acknowledged `after` seconds after the escalation."""

    after: Duration
    """Time since the escalation, at most 7d."""
    channels: tuple[str, ...]
    """Names of Secrets, as in escalation.channels."""


class EscalationRule(Value):
    """Notification on escalation. Secrets are plain names in a policy, and `NAMESPACE/NAME` in an EffectivePolicy."""

    channels: tuple[str, ...] | None = None
    """Names of Secrets in the policy's namespace that hold the addresses of channels, all of which are notified."""
    levels: tuple[EscalationLevel, ...] | None = None
    """Further channels to notify while no one acknowledges the incident; each level is notified once, at its time."""
    ticket: str | None = None
    """Name of the Secret, in the same namespace as those of the channels, that holds the address of a ticket system.
    Each escalated incident gets one ticket. Empty: no tickets."""
    quiet_hours: tuple[QuietHours, ...] | None = None
    """Hours in which no notification is sent for incidents that are not Critical; it is sent when they end."""

    @property
    def ladder(self) -> tuple[EscalationLevel, ...]:
        """All levels in the order of their times; `channels` are level 0, which is notified immediately."""
        return (
            EscalationLevel(after=0.0, channels=self.channels or ()),
            *sorted(self.levels or (), key=lambda level: level.after),
        )

    def quiet_until(self, moment: datetime) -> datetime:
        """The first minute from `moment` on outside of all quiet hours; `moment` itself if they never end."""
        found, limit = moment, moment + timedelta(days=8)
        while found < limit and (covering := [hours for hours in self.quiet_hours or () if hours.cover(found)]):
            found = max(hours.end_after(found) for hours in covering)
        return found if found < limit else moment


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


def merge_layers(layers: Iterable[PolicyLayer], namespace_labels: Mapping[str, str]) -> EffectivePolicy:
    """The policy of one workload. Without one: Heal where the namespace opted in by label, else Observe."""
    mode = PolicyMode.HEAL if heals_by_label(namespace_labels) else PolicyMode.OBSERVE
    named = ((layer.source, layer.spec) for layer in in_order(layers))
    return merge(BUILT_IN.model_copy(update={"mode": mode}), *named)


def heals_by_label(namespace_labels: Mapping[str, str]) -> bool:
    """Report whether the namespace opted in to `mode: Heal` by its label."""
    return namespace_labels.get(HEAL) == "enabled"


def in_order(layers: Iterable[PolicyLayer]) -> list[PolicyLayer]:
    """The layers in the order in which they are merged, the most specific last."""
    return sorted(layers, key=lambda layer: (layer.rank, layer.source))


def merge(base: PolicySpec, *overrides: tuple[str, PolicySpec]) -> EffectivePolicy:
    """Merge named policies over `base`, field by field, the most specific last.

    The order: ClusterHealingPolicies, the namespace's policies without a selector, those with one; each by name.
    """
    fields = base.model_dump(exclude_none=True)
    for _, policy in overrides:
        _overlay(fields, policy.model_dump(exclude_none=True))
    return EffectivePolicy.model_validate({**fields, "sources": tuple(name for name, _ in overrides)})


def _overlay(below: dict[str, Any], above: dict[str, Any]) -> None:
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(below.get(key), dict):
            _overlay(below[key], value)
        else:
            below[key] = value
