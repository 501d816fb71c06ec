"""Policies that select a workload, merged into one: the most specific wins, field by field."""

from collections.abc import Iterable, Mapping
from typing import Any

from prunella_workflows.model.labels import HEAL
from prunella_workflows.model.policy import BUILT_IN, EffectivePolicy, PolicyLayer, PolicyMode, PolicySpec


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
