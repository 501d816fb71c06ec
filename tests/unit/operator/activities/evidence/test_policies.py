"""The effective policy of a workload."""

import pytest
from fakes.kube import FakeKube
from fakes.objects import a_deployment

from prunella_operator.activities.evidence.policies import effective_policy
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.views.workloads import workload_view
from prunella_workflows.model.errors import InvalidIncident
from prunella_workflows.model.policy import PolicyMode

HEAL = {"prunella.dev/heal": "enabled"}


@pytest.fixture
def kube():
    return FakeKube()


def effective(kube, namespace=None, **workload):
    return effective_policy(kube, workload_view(a_deployment(**workload)), namespace or {})


def cluster_policy(kube, name, **spec):
    kube.put(f"{paths.policies()}/{name}", {"spec": spec})


def policy(kube, name, namespace="shop", **spec):
    kube.put(f"{paths.policies(namespace)}/{name}", {"spec": spec})


@pytest.mark.parametrize(
    ("labels", "mode"),
    [
        ({}, PolicyMode.OBSERVE),
        (HEAL, PolicyMode.HEAL),
        ({"prunella.dev/heal": "disabled"}, PolicyMode.OBSERVE),
        ({"prunella.dev/heal": ""}, PolicyMode.OBSERVE),
    ],
)
def test_without_a_policy_the_namespaces_label_decides(kube, labels, mode):
    found = effective(kube, labels)
    assert (found.mode, found.sources) == (mode, ())
    assert found.limits.memory_max == 2 << 30


def test_cluster_then_namespace_then_selector_field_by_field(kube):
    cluster_policy(kube, "all", mode="Heal", grace="1m", limits={"memoryMax": "1Gi", "attempts": 1}, rollback="Freeze")
    policy(kube, "shop", grace="20s", limits={"memoryMax": "512Mi"})
    policy(kube, "web", selector={"matchLabels": {"app": "web"}}, limits={"memoryFactor": 3})
    found = effective(kube, labels={"app": "web"})
    assert (found.mode, found.grace, found.rollback) == (PolicyMode.HEAL, 20, "Freeze")
    assert (found.limits.memory_max, found.limits.attempts, found.limits.memory_factor) == (512 << 20, 1, 3)
    assert found.sources == ("ClusterHealingPolicy/all", "HealingPolicy/shop", "HealingPolicy/web")


def test_within_a_level_the_later_name_wins_whatever_the_server_says_first(kube):
    policy(kube, "b", grace="2s")
    policy(kube, "a", grace="1s")
    assert effective(kube).grace == 2
    assert effective(kube).sources == ("HealingPolicy/a", "HealingPolicy/b")


def test_a_selector_that_does_not_match_does_not_count(kube):
    policy(kube, "db", selector={"matchLabels": {"app": "db"}}, mode="Heal")
    assert effective(kube, labels={"app": "web"}).mode is PolicyMode.OBSERVE


@pytest.mark.parametrize(
    ("labels", "mode"),
    [
        ({"app": "db", "tier": "back"}, PolicyMode.HEAL),
        ({"app": "db"}, PolicyMode.HEAL),  # NotIn is met without the label, as in Kubernetes
        ({"app": "db", "tier": "front"}, PolicyMode.OBSERVE),
        ({"app": "web", "tier": "back"}, PolicyMode.OBSERVE),
    ],
)
def test_a_selector_may_have_expressions_beside_labels(kube, labels, mode):
    expressions = [{"key": "tier", "operator": "NotIn", "values": ["front"]}]
    policy(kube, "db", selector={"matchLabels": {"app": "db"}, "matchExpressions": expressions}, mode="Heal")
    assert effective(kube, labels=labels).mode is mode


def test_a_cluster_policy_may_select_namespaces_by_expressions(kube):
    selector = {"matchExpressions": [{"key": "stage", "operator": "In", "values": ["test", "production"]}]}
    cluster_policy(kube, "stages", namespaceSelector=selector, mode="Heal")
    assert effective(kube, {"stage": "test"}).mode is PolicyMode.HEAL
    assert effective(kube, {"stage": "lab"}).mode is PolicyMode.OBSERVE


def test_an_unknown_time_zone_names_policy_and_field(kube):
    policy(kube, "nightly", maintenanceWindows=[{"start": "22:00", "end": "05:00", "timeZone": "Mars/Olympus"}])
    with pytest.raises(InvalidIncident, match=r"policy nightly: spec\.maintenanceWindows\.0\.timeZone: .*Mars/Olympus"):
        effective(kube)


def test_an_empty_selector_matches_everything_and_is_still_more_specific_than_none(kube):
    policy(kube, "a", selector={}, grace="1s")
    policy(kube, "z", grace="2s")
    assert effective(kube).grace == 1


def test_a_cluster_policy_is_for_the_namespaces_it_selects(kube):
    cluster_policy(kube, "team", namespaceSelector={"matchLabels": {"team": "shop"}}, mode="Heal")
    assert effective(kube, {"team": "shop"}).mode is PolicyMode.HEAL
    assert effective(kube, {"team": "other"}).mode is PolicyMode.OBSERVE


def test_a_policy_beats_the_namespaces_label(kube):
    policy(kube, "shop", mode="Observe")
    assert effective(kube, HEAL).mode is PolicyMode.OBSERVE


def test_another_namespaces_policy_does_not_count(kube):
    policy(kube, "other", namespace="billing", mode="Heal")
    assert effective(kube).mode is PolicyMode.OBSERVE


def test_a_policy_without_a_spec_says_nothing(kube):
    kube.put(f"{paths.policies('shop')}/empty", {})
    assert effective(kube).sources == ("HealingPolicy/empty",)


def test_a_policy_that_does_not_parse_is_named_with_its_field(kube):
    policy(kube, "shop", grace="soon")
    with pytest.raises(InvalidIncident, match=r"policy shop: spec\.grace: .*soon"):
        effective(kube)


def test_a_policy_that_does_not_parse_fails_only_what_it_selects(kube):
    wrong = {"verification": {"checks": [{"name": "up", "query": 'up{pod="$pods"}'}]}}
    cluster_policy(kube, "team", namespaceSelector={"matchLabels": {"team": "other"}}, **wrong)
    policy(kube, "db", selector={"matchLabels": {"app": "db"}}, **wrong)
    assert effective(kube, {"team": "ours"}, labels={"app": "web"}).sources == ()
    for namespace, app in (({"team": "other"}, "web"), ({}, "db")):
        with pytest.raises(InvalidIncident):
            effective(kube, namespace, labels={"app": app})


def test_secrets_are_those_of_the_policys_namespace_or_of_ours(kube):
    levels = [{"after": "15m", "channels": ["pager"]}]
    cluster_policy(kube, "all", escalation={"channels": ["ops"], "ticket": "jira", "levels": levels})
    assert effective(kube).escalation.channels == ("prunella-system/ops",)
    policy(kube, "shop", escalation={"channels": ["chat"], "quietHours": [{"start": "22:00", "end": "06:00"}]})
    rule = effective(kube).escalation
    assert rule.channels == ("shop/chat",)
    assert rule.ticket == "prunella-system/jira"
    assert [level.channels for level in rule.levels] == [("prunella-system/pager",)]
    assert [hour.start for hour in rule.quiet_hours] == ["22:00"]


@pytest.mark.parametrize(
    "rule",
    [
        {"channels": ["other/chat"]},
        {"channels": ["../../secrets/x"]},
        {"levels": [{"after": "1m", "channels": ["other/chat"]}]},
        {"ticket": "other/jira"},
    ],
)
def test_no_policy_reaches_a_secret_of_another_namespace(kube, rule):
    policy(kube, "shop", escalation=rule)
    with pytest.raises(InvalidIncident, match=r"policy shop: spec\.escalation: .* is not the name of a Secret"):
        effective(kube)
