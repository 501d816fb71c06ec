"""HealingPolicy: what the owner of workloads allows, and how several policies become one.

Most specific wins, field by field: built-in defaults, then ClusterHealingPolicies, then the namespace's policies
without a selector, then those with one; within a level by name. Durations are seconds here and strings in YAML.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from pydantic import Field, field_validator

from prunella_workflows.model import promql
from prunella_workflows.model.alert_policy import AlertPolicy
from prunella_workflows.model.base import Value
from prunella_workflows.model.duration import Duration, Memory
from prunella_workflows.model.hours import MaintenanceWindow, QuietHours


class PolicyMode(StrEnum):
    """Observe diagnoses and shows the plan; Heal also carries it out."""

    OBSERVE = "Observe"
    HEAL = "Heal"


class Resize(StrEnum):
    """How more memory is tried first: in the running pods, where the cluster offers that, or by a rolling update."""

    IN_PLACE = "InPlace"
    ROLLOUT = "Rollout"


class Limits(Value):
    """How far a repair may go. None means: not set here."""

    memory_max: Memory | None = None
    memory_factor: float | None = None
    memory_min_step: Memory | None = None
    resize: Resize | None = None
    replicas_max: int | None = None
    attempts: int | None = None


class Budgets(Value):
    """How many repairs may run at once and per hour, and how much of the namespace must be healthy (percent)."""

    concurrent_per_namespace: int | None = None
    concurrent_per_cluster: int | None = None
    per_hour_per_workload: int | None = None
    per_hour_per_namespace: int | None = None
    per_hour_per_cluster: int | None = None
    minimum_healthy_percent: int | None = None


class GitOps(StrEnum):
    """What to do with a workload that Git or Helm owns: hand the change over, or make it."""

    ESCALATE = "Escalate"
    ACT = "Act"


class Rollback(StrEnum):
    """Whether a release may be taken back."""

    ALLOW = "Allow"
    FREEZE = "Freeze"


class ApprovalWhen(StrEnum):
    """When a person must agree first."""

    NEVER = "Never"
    ALWAYS = "Always"
    BY_ACTION_OR_SEVERITY = "ByActionOrSeverity"


class ApprovalRule(Value):
    """When a person must agree first, and who may: `NAME` or `user:NAME`, and `group:NAME`; nobody named: everybody."""

    when: ApprovalWhen | None = None
    actions: tuple[str, ...] | None = None
    severities: tuple[str, ...] | None = None
    timeout: Duration | None = None
    approvers: tuple[str, ...] | None = None


class Check(Value):
    """A PromQL check that must hold before a repair counts: `query` compared with `threshold` by `operator`.

    The query may have the placeholders of `promql`.
    """

    name: str
    query: str
    operator: str = "<="
    threshold: float


class Verification(Value):
    """How a repair is judged: rolled out within `timeout`, healthy for `window`, and all checks true."""

    window: Duration | None = None
    timeout: Duration | None = None
    checks: tuple[Check, ...] | None = None

    @field_validator("checks")
    @classmethod
    def _can_be_filled_in(cls, checks: tuple[Check, ...] | None) -> tuple[Check, ...] | None:
        """Asked of policies only: what workflows have recorded must be read by every later release.

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
    """Whom to tell when nobody has acknowledged `after` seconds since the hand-over."""

    after: Duration
    channels: tuple[str, ...]


class EscalationRule(Value):
    """Where a hand-over goes: names of Secrets in the policy's namespace that hold an address.

    In a policy they are plain names; in an EffectivePolicy they are `NAMESPACE/NAME`.
    """

    channels: tuple[str, ...] | None = None
    levels: tuple[EscalationLevel, ...] | None = None
    ticket: str | None = None
    quiet_hours: tuple[QuietHours, ...] | None = None

    @property
    def ladder(self) -> tuple[EscalationLevel, ...]:
        """All levels in the order of their times; `channels` are level 0, which is told at once."""
        return (
            EscalationLevel(after=0.0, channels=self.channels or ()),
            *sorted(self.levels or (), key=lambda level: level.after),
        )

    def loud_from(self, moment: datetime) -> datetime:
        """The first moment from `moment` on that lies outside of all quiet hours; `moment` if they never end."""
        found, limit = moment, moment + timedelta(days=8)
        while found < limit and (holding := [hour for hour in self.quiet_hours or () if hour.cover(found)]):
            found = max(one.end_after(found) for one in holding)
        return found if found < limit else moment


class LabelSelector(Value):
    """Equality-based label selector; empty selects everything."""

    match_labels: dict[str, str] = Field(default_factory=dict)

    def matches(self, labels: dict[str, str]) -> bool:
        """Whether all wanted labels are there with the wanted value."""
        return all(labels.get(key) == value for key, value in self.match_labels.items())


class PolicySpec(Value):
    """The fields that both kinds of policy share. Everything is optional: what is not set comes from below."""

    mode: PolicyMode | None = None
    causes: tuple[str, ...] | None = None
    actions: tuple[str, ...] | None = None
    grace: Duration | None = None
    limits: Limits = Limits()
    budgets: Budgets = Budgets()
    cooldown: Duration | None = None
    approval: ApprovalRule = ApprovalRule()
    verification: Verification = Verification()
    maintenance_windows: tuple[MaintenanceWindow, ...] | None = None
    escalation: EscalationRule = EscalationRule()
    git_ops: GitOps | None = None
    rollback: Rollback | None = None


class HealingPolicySpec(PolicySpec):
    """A namespace's policy; `selector` narrows it to workloads with these labels."""

    selector: LabelSelector | None = None


class ClusterHealingPolicySpec(PolicySpec):
    """A policy for the namespaces that `namespaceSelector` selects (all when absent)."""

    namespace_selector: LabelSelector | None = None
    alerts: AlertPolicy = AlertPolicy()


class EffectivePolicy(PolicySpec):
    """One workload's policy after merging: every field has a value. `sources` names the policies it came from."""

    sources: tuple[str, ...] = ()


BUILT_IN = PolicySpec(
    mode=PolicyMode.OBSERVE,
    causes=(),
    actions=(),
    grace=10.0,
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
    approval=ApprovalRule(when=ApprovalWhen.NEVER, actions=(), severities=(), timeout=7 * 86400.0, approvers=()),
    verification=Verification(window=60.0, timeout=120.0, checks=()),
    maintenance_windows=(),
    escalation=EscalationRule(channels=(), levels=(), ticket="", quiet_hours=()),
    git_ops=GitOps.ESCALATE,
    rollback=Rollback.ALLOW,
)

"""What holds where no policy says otherwise."""


def merge(base: PolicySpec, *overrides: tuple[str, PolicySpec]) -> EffectivePolicy:
    """Lay named policies over `base`, the most specific last, field by field."""
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
