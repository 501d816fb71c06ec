"""The merged policy of one workload, value by value: each with the document that it comes from."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prunella_workflows.model.base import Value
from prunella_workflows.model.labels import HEAL
from prunella_workflows.model.policy import BUILT_IN, PolicyLayer, PolicyMode, PolicySpec
from prunella_workflows.model.policy_merge import heals_by_label, in_order

BUILT_IN_SOURCE = "built-in"
LABEL_SOURCE = f"label {HEAL} of the namespace"


class PolicyValue(Value):
    """One value of a merged policy."""

    field: str
    """Its path below `spec`, such as `limits.memoryMax`."""
    value: Any
    """The value as a policy has it; lists are one value."""
    source: str
    """Kind and name of the policy that sets it, the namespace's label, or `built-in`."""


def explain(layers: Iterable[PolicyLayer], namespace_labels: Mapping[str, str]) -> tuple[PolicyValue, ...]:
    """Each value that `merge_layers` gives, in the order of the fields."""
    by_label = [(LABEL_SOURCE, PolicySpec(mode=PolicyMode.HEAL))] if heals_by_label(namespace_labels) else []
    named = [(layer.source, layer.spec) for layer in in_order(layers)]
    found: dict[str, PolicyValue] = {}
    for source, spec in ((BUILT_IN_SOURCE, BUILT_IN), *by_label, *named):
        values = spec.model_dump(mode="json", by_alias=True, exclude_none=True, include=set(PolicySpec.model_fields))
        found |= {
            path: PolicyValue(field=path, value=value, source=source) for path, value in _leaves(values, prefix="")
        }
    return tuple(found.values())


def _leaves(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
