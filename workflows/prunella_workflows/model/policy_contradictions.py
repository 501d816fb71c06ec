"""Contradictions within one policy: each field is valid by itself, but together they make no sense.

The API server refuses most of them. It does not look again at policies that were stored before a rule.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

from prunella_workflows.model.autonomy import AutonomyRule
from prunella_workflows.model.hours import Hours
from prunella_workflows.model.label_selector import LabelSelector, SelectorOperator
from prunella_workflows.model.policy import ClusterHealingPolicySpec, HealingPolicySpec, PolicySpec
from prunella_workflows.model.policy_approval import ApprovalRule, ApprovalWhen
from prunella_workflows.model.policy_escalation import EscalationRule
from prunella_workflows.model.policy_limits import Budgets, Limits

_ANY_MOMENT = datetime(2026, 1, 5, tzinfo=UTC)
_WITH_VALUES = (SelectorOperator.IN, SelectorOperator.NOT_IN)
_OF_THE_CLUSTER = ("concurrentPerCluster", "perHourPerCluster")
_NESTED = (
    ("perHourPerWorkload", "perHourPerNamespace"),
    ("perHourPerNamespace", "perHourPerCluster"),
    ("concurrentPerNamespace", "concurrentPerCluster"),
)
"""Budgets of which the first cannot be spent if it is more than the second."""


def find_contradictions(spec: PolicySpec) -> Iterator[str]:
    """The contradictions, each with its field below `spec`: `limits.memoryMinStep: must not be ...`."""
    match spec:
        case HealingPolicySpec(selector=LabelSelector() as selector):
            yield from _of_selector("selector", selector)
        case ClusterHealingPolicySpec(namespace_selector=LabelSelector() as selector):
            yield from _of_selector("namespaceSelector", selector)
    yield from _of_limits(spec.limits)
    yield from _of_budgets(spec.budgets, whole_cluster=isinstance(spec, ClusterHealingPolicySpec))
    yield from _of_approval(spec.approval)
    yield from _of_autonomy(spec.autonomy)
    yield from _of_hours("maintenanceWindows", spec.maintenance_windows or ())
    yield from _of_hours("escalation.quietHours", spec.escalation.quiet_hours or ())
    yield from _of_quiet_hours(spec.escalation)


def _of_selector(path: str, selector: LabelSelector) -> Iterator[str]:
    if not selector.match_labels and not selector.match_expressions:
        yield f"{path}: must name at least one label; leave it out to select everything"
    for number, expression in enumerate(selector.match_expressions):
        if bool(expression.values) != (expression.operator in _WITH_VALUES):
            yield f"{path}.matchExpressions.{number}.values: are needed for In and NotIn, and only for them"


def _of_limits(limits: Limits) -> Iterator[str]:
    step, most = limits.memory_min_step, limits.memory_max
    if step is not None and most is not None and step > most:
        yield "limits.memoryMinStep: must not be more than limits.memoryMax"


def _of_budgets(budgets: Budgets, *, whole_cluster: bool) -> Iterator[str]:
    values = budgets.to_object()
    for narrow, wide in _NESTED:
        if narrow in values and wide in values and values[narrow] > values[wide]:
            yield f"budgets.{narrow}: must not be more than budgets.{wide}, or it could never be spent"
    for name in () if whole_cluster else _OF_THE_CLUSTER:
        if name in values:
            yield f"budgets.{name}: is for a ClusterHealingPolicy only"


def _of_approval(approval: ApprovalRule) -> Iterator[str]:
    by_list, listed = approval.when is ApprovalWhen.BY_ACTION_OR_SEVERITY, approval.actions or approval.severities
    if listed and not by_list:
        yield "approval.when: must be ByActionOrSeverity for approval.actions and approval.severities to count"
    if by_list and not listed:
        yield "approval.when: ByActionOrSeverity needs approval.actions or approval.severities"


def _of_autonomy(rule: AutonomyRule) -> Iterator[str]:
    approval, heal = rule.approval_above, rule.heal_above
    if approval is not None and heal is not None and approval > heal:
        yield "autonomy.approvalAbove: must not be more than autonomy.healAbove"


def _of_hours(path: str, spans: tuple[Hours, ...]) -> Iterator[str]:
    for number, span in enumerate(spans):
        if span.start == span.end:
            yield f"{path}.{number}.end: must differ from its start"


def _of_quiet_hours(rule: EscalationRule) -> Iterator[str]:
    covered = any(span.cover(_ANY_MOMENT) for span in rule.quiet_hours or ())
    if covered and rule.quiet_until(_ANY_MOMENT) == _ANY_MOMENT:
        yield "escalation.quietHours: they never end, so none of them counts"
