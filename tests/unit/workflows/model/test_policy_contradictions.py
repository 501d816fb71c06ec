"""Policies whose fields are valid one by one and make no sense together: the field is named."""

import pytest

from prunella_workflows.model.policy import BUILT_IN, ClusterHealingPolicySpec, HealingPolicySpec
from prunella_workflows.model.policy_contradictions import find_contradictions

LUNCH = {"start": "12:00", "end": "13:00"}
FOR_BOTH = [
    ({"limits": {"memoryMinStep": "2Gi", "memoryMax": "1Gi"}}, "limits.memoryMinStep"),
    ({"budgets": {"perHourPerWorkload": 9, "perHourPerNamespace": 8}}, "budgets.perHourPerWorkload"),
    ({"approval": {"actions": ["Restart"]}}, "approval.when"),
    ({"approval": {"when": "Always", "severities": ["High"]}}, "approval.when"),
    ({"approval": {"when": "ByActionOrSeverity"}}, "approval.when"),
    ({"maintenanceWindows": [LUNCH, {"start": "02:00", "end": "02:00"}]}, "maintenanceWindows.1.end"),
    ({"escalation": {"quietHours": [{"start": "02:00", "end": "02:00"}]}}, "escalation.quietHours.0.end"),
    (
        {"escalation": {"quietHours": [{"start": "00:00", "end": "12:00"}, {"start": "11:00", "end": "00:00"}]}},
        "escalation.quietHours",
    ),
]


def fields(model, spec):
    return [text.partition(": ")[0] for text in find_contradictions(model.model_validate(spec))]


@pytest.mark.parametrize("model", [HealingPolicySpec, ClusterHealingPolicySpec])
@pytest.mark.parametrize(("spec", "field"), FOR_BOTH)
def test_the_field_is_named(model, spec, field):
    assert fields(model, spec) == [field]


@pytest.mark.parametrize(
    ("selector", "field"),
    [
        ({}, ""),
        ({"matchExpressions": [{"key": "a", "operator": "In"}]}, ".matchExpressions.0.values"),
        ({"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}, ".matchExpressions.0.values"),
    ],
)
def test_a_selector_that_selects_nothing_in_particular(selector, field):
    assert fields(HealingPolicySpec, {"selector": selector}) == [f"selector{field}"]
    assert fields(ClusterHealingPolicySpec, {"namespaceSelector": selector}) == [f"namespaceSelector{field}"]


def test_budgets_of_the_cluster_are_for_its_own_policies():
    spec = {"budgets": {"concurrentPerNamespace": 2, "concurrentPerCluster": 9, "perHourPerCluster": 9}}
    assert fields(HealingPolicySpec, spec) == ["budgets.concurrentPerCluster", "budgets.perHourPerCluster"]
    assert fields(ClusterHealingPolicySpec, spec) == []
    spec = {"budgets": {"perHourPerNamespace": 9, "perHourPerCluster": 8}}
    assert fields(ClusterHealingPolicySpec, spec) == ["budgets.perHourPerNamespace"]


@pytest.mark.parametrize(
    "spec",
    [
        {},
        BUILT_IN.to_object(),
        {"selector": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}},
        {"limits": {"memoryMinStep": "1Gi", "memoryMax": "1Gi"}},
        {"approval": {"when": "ByActionOrSeverity", "severities": ["Critical"]}},
        {"maintenanceWindows": [LUNCH], "escalation": {"quietHours": [{"start": "00:00", "end": "23:59"}]}},
    ],
)
def test_what_makes_sense_is_left_alone(spec):
    assert fields(ClusterHealingPolicySpec, spec) == []
