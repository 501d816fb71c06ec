"""The two kinds of policy: how each is parsed, and what it selects."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pydantic import ValidationError

from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.selectors import matches
from prunella_workflows.model import policy
from prunella_workflows.model.errors import InvalidIncident
from prunella_workflows.model.policy_contradictions import find_contradictions
from prunella_workflows.model.policy_escalation import EscalationRule
from prunella_workflows.model.validation import describe, first_error

_SECRET_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?\Z")


class PolicyKind(NamedTuple):
    """A kind of policy: its name, its model, and the field that selects."""

    name: str
    model: type[policy.PolicySpec]
    selector: str

    def select(self, items: Iterable[Object], labels: dict[str, str], namespace: str) -> list[policy.PolicyLayer]:
        """Parse the policies that select these labels. Any other may be invalid: it is not for this workload.

        The Secrets that they name are in `namespace`: a policy's own, or ours when it is the cluster's.
        """
        specs = ((item["metadata"]["name"], item.get("spec") or {}) for item in items)
        selected = [(name, spec) for name, spec in specs if matches(spec.get(self.selector) or {}, labels)]
        return [
            policy.PolicyLayer(
                source=f"{self.name}/{name}", rank=self._rank(spec), spec=self.parse(name, spec, namespace)
            )
            for name, spec in selected
        ]

    def _rank(self, spec: Object) -> int:
        return 0 if self.name == CLUSTER.name else 1 + (spec.get(self.selector) is not None)

    def parse(self, name: str, raw: Object, namespace: str) -> policy.PolicySpec:
        """Parse one. Raises InvalidIncident, which names policy and field."""
        try:
            spec = self.model.model_validate(raw)
        except ValidationError as error:
            raise InvalidIncident(f"policy {name}: spec.{first_error(error)}") from None
        try:
            return spec.model_copy(update={"escalation": _add_addresses(spec.escalation, namespace)})
        except ValueError as error:
            raise InvalidIncident(f"policy {name}: spec.escalation: {error}") from None

    def find_errors(self, raw: Object) -> Iterator[str]:
        """All errors of a spec, each with its field: values that do not parse, and contradictions."""
        try:
            spec = self.model.model_validate(raw)
        except ValidationError as error:
            yield from (f"spec.{describe(one)}" for one in error.errors())
            return
        try:
            _add_addresses(spec.escalation, "")
        except ValueError as error:
            yield f"spec.escalation: {error}"
        yield from (f"spec.{text}" for text in find_contradictions(spec))


CLUSTER = PolicyKind("ClusterHealingPolicy", policy.ClusterHealingPolicySpec, "namespaceSelector")
NAMESPACED = PolicyKind("HealingPolicy", policy.HealingPolicySpec, "selector")
KINDS = {kind.name: kind for kind in (CLUSTER, NAMESPACED)}


def address(name: str, namespace: str) -> str:
    """The address `NAMESPACE/NAME` of a Secret. Raises ValueError for a name that might address another namespace."""
    if not _SECRET_NAME.match(name):
        raise ValueError(f"{name!r} is not the name of a Secret")
    return f"{namespace}/{name}"


def _add_addresses(rule: EscalationRule, namespace: str) -> EscalationRule:
    def all_of(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(address(name, namespace) for name in names)

    levels = tuple(level.model_copy(update={"channels": all_of(level.channels)}) for level in rule.levels or ())
    return EscalationRule(
        channels=None if rule.channels is None else all_of(rule.channels),
        levels=None if rule.levels is None else levels,
        ticket=address(rule.ticket, namespace) if rule.ticket else rule.ticket,
        quiet_hours=rule.quiet_hours,
    )
