"""The merged policy, value by value: it is what `merge_layers` gives, and each value names its document."""

import pytest

from prunella_workflows.model.labels import HEAL
from prunella_workflows.model.policy import BUILT_IN, ClusterHealingPolicySpec, HealingPolicySpec, PolicyLayer
from prunella_workflows.model.policy_explanation import BUILT_IN_SOURCE, LABEL_SOURCE, explain
from prunella_workflows.model.policy_merge import merge_layers

WIDE = ClusterHealingPolicySpec.model_validate(
    {
        "namespaceSelector": {"matchLabels": {"stage": "production"}},
        "mode": "Observe",
        "grace": "1m",
        "limits": {"memoryMax": "1Gi", "attempts": 1},
        "alerts": {"window": "1m"},
    }
)
LOCAL = HealingPolicySpec.model_validate({"limits": {"memoryMax": "512Mi"}, "escalation": {"channels": ["chat"]}})
NARROW = HealingPolicySpec.model_validate(
    {
        "selector": {"matchLabels": {"app": "web"}},
        "mode": "Heal",
        "causes": [],
        "maintenanceWindows": [{"start": "22:00", "end": "05:00", "timeZone": "Europe/Berlin"}],
    }
)
LAYERS = (
    PolicyLayer(source="HealingPolicy/web", rank=2, spec=NARROW),
    PolicyLayer(source="ClusterHealingPolicy/all", rank=0, spec=WIDE),
    PolicyLayer(source="HealingPolicy/shop", rank=1, spec=LOCAL),
)


def nested(values):
    """The values as the spec of a policy."""
    spec = {}
    for value in values:
        *path, last = value.field.split(".")
        node = spec
        for part in path:
            node = node.setdefault(part, {})
        node[last] = value.value
    return spec


@pytest.mark.parametrize("labels", [{}, {HEAL: "enabled"}, {HEAL: "by-policy"}])
@pytest.mark.parametrize("layers", [(), LAYERS, LAYERS[1:]])
def test_it_is_the_merged_policy(layers, labels):
    merged = merge_layers(layers, labels).to_object()
    del merged["sources"]
    assert nested(explain(layers, labels)) == merged


def test_each_value_names_where_it_comes_from():
    found = {value.field: (value.value, value.source) for value in explain(LAYERS, {HEAL: "enabled"})}
    assert found["mode"] == ("Heal", "HealingPolicy/web")
    assert found["grace"] == ("1m", "ClusterHealingPolicy/all")
    assert found["limits.memoryMax"] == ("512Mi", "HealingPolicy/shop")
    assert found["limits.attempts"] == (1, "ClusterHealingPolicy/all")
    assert found["causes"] == ([], "HealingPolicy/web")  # an empty list is a value
    assert found["cooldown"] == ("5m", BUILT_IN_SOURCE)
    assert found["escalation.channels"] == (["chat"], "HealingPolicy/shop")


@pytest.mark.parametrize(
    ("labels", "layers", "mode"),
    [
        ({}, (), ("Observe", BUILT_IN_SOURCE)),
        ({HEAL: "enabled"}, (), ("Heal", LABEL_SOURCE)),
        ({HEAL: "enabled"}, LAYERS[1:], ("Observe", "ClusterHealingPolicy/all")),
    ],
)
def test_the_label_of_the_namespace_is_weaker_than_a_policy(labels, layers, mode):
    found = next(value for value in explain(layers, labels) if value.field == "mode")
    assert (found.value, found.source) == mode


def test_values_come_in_the_order_of_the_fields_and_only_those_of_a_workload():
    fields = [value.field for value in explain(LAYERS, {})]
    assert [name.partition(".")[0] for name in fields][:3] == ["mode", "causes", "actions"]
    assert fields == [value.field for value in explain((), {})]
    assert {name.partition(".")[0] for name in fields} == set(BUILT_IN.to_object())
