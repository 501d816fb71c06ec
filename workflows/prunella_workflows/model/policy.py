"""HealingPolicy: what the owner of workloads allows, and how several policies become one.

Most specific wins, field by field: built-in defaults, then ClusterHealingPolicies, then the namespace's policies
without a selector, then those with one; within a level by name. Durations are seconds here and strings in YAML.
"""

import re
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer

from prunella_workflows.model.base import Value
from prunella_workflows.model.quantity import format_bytes, parse_bytes

_DURATION = re.compile(r"^(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?\Z")


def parse_duration(text: str | float) -> float:
    """Seconds of a duration such as "90s", "2m30s" or "7d".

    Raises:
        ValueError: the text is not a duration.
    """
    if isinstance(text, int | float):
        return float(text)
    match = _DURATION.match(text)
    if not text or match is None:
        msg = f"{text!r} is not a duration such as 90s, 2m30s or 7d"
        raise ValueError(msg)
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


def format_duration(seconds: float) -> str:
    """Seconds as a duration: 150 -> "2m30s". Clocks that disagree may give less than nothing: that is "0s"."""
    rest, text = max(0, int(seconds)), ""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        number, rest = divmod(rest, size)
        text += f"{number}{unit}" if number else ""
    return text or "0s"


Duration = Annotated[float, BeforeValidator(parse_duration), PlainSerializer(format_duration, when_used="json")]
Memory = Annotated[
    int,
    BeforeValidator(lambda value: parse_bytes(value) if isinstance(value, str) else value),
    PlainSerializer(format_bytes, when_used="json"),
]


class PolicyMode(StrEnum):
    """Observe diagnoses and shows the plan; Heal also carries it out."""

    OBSERVE = "Observe"
    HEAL = "Heal"


class Limits(Value):
    """How far a repair may go. None means: not set here."""

    memory_max: Memory | None = None
    memory_factor: float | None = None
    memory_min_step: Memory | None = None
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


class ApprovalRule(Value):
    """When a person must agree first: Never, Always, or for certain actions or severities."""

    when: str | None = None
    actions: tuple[str, ...] | None = None
    severities: tuple[str, ...] | None = None
    timeout: Duration | None = None
    approvers: tuple[str, ...] | None = None


class Check(Value):
    """A PromQL check that must hold before a repair counts: `query` compared with `threshold` by `operator`."""

    name: str
    query: str
    operator: str = "<="
    threshold: float


class Verification(Value):
    """How a repair is judged: rolled out within `timeout`, healthy for `window`, and all checks true."""

    window: Duration | None = None
    timeout: Duration | None = None
    checks: tuple[Check, ...] | None = None


class MaintenanceWindow(Value):
    """Repairs are made only inside these hours (UTC, HH:MM) of these days (Mon..Sun, empty = all)."""

    days: tuple[str, ...] = ()
    start: str
    end: str


class EscalationRule(Value):
    """Where a hand-over goes: names of Secrets in the policy's namespace that hold a channel's address."""

    channels: tuple[str, ...] | None = None


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
    git_ops: str | None = None
    rollback: str | None = None


class HealingPolicySpec(PolicySpec):
    """A namespace's policy; `selector` narrows it to workloads with these labels."""

    selector: LabelSelector | None = None


class ClusterHealingPolicySpec(PolicySpec):
    """A policy for the namespaces that `namespaceSelector` selects (all when absent)."""

    namespace_selector: LabelSelector | None = None


class EffectivePolicy(PolicySpec):
    """One workload's policy after merging: every field has a value. `sources` names the policies it came from."""

    sources: tuple[str, ...] = ()


BUILT_IN = PolicySpec(
    mode=PolicyMode.OBSERVE,
    causes=(),
    actions=(),
    grace=10.0,
    limits=Limits(memory_max=2 << 30, memory_factor=1.5, memory_min_step=64 << 20, replicas_max=10, attempts=3),
    budgets=Budgets(
        concurrent_per_namespace=5,
        concurrent_per_cluster=20,
        per_hour_per_workload=6,
        per_hour_per_namespace=30,
        per_hour_per_cluster=120,
        minimum_healthy_percent=0,
    ),
    cooldown=300.0,
    approval=ApprovalRule(when="Never", actions=(), severities=(), timeout=7 * 86400.0, approvers=()),
    verification=Verification(window=60.0, timeout=120.0, checks=()),
    maintenance_windows=(),
    escalation=EscalationRule(channels=()),
    git_ops="Escalate",
    rollback="Allow",
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
