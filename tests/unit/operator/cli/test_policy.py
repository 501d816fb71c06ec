"""`prunella policy explain`."""

import json

import pytest
import yaml
from fakes.kube import FakeKube
from fakes.objects import a_deployment

from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_workflows.model.labels import HEAL


@pytest.fixture
def kube(monkeypatch):
    kube = FakeKube(namespace="shop")
    kube.put(f"{paths.collection('Deployment', 'shop')}/web", a_deployment(labels={"app": "web"}))
    kube.put("/api/v1/namespaces/shop", {"metadata": {"labels": {HEAL: "enabled"}}})
    kube.put(f"{paths.policies()}/all", {"spec": {"grace": "1m", "limits": {"memoryMax": "1Gi"}}})
    kube.put(f"{paths.policies('shop')}/web", {"spec": {"selector": {"matchLabels": {"app": "web"}}, "grace": "20s"}})
    kube.put(f"{paths.policies('shop')}/db", {"spec": {"selector": {"matchLabels": {"app": "db"}}, "grace": "wrong"}})
    monkeypatch.setattr(SyncClient, "connect", lambda _settings: kube)
    return kube


def test_a_table_has_each_value_and_where_it_comes_from(prunella, kube):
    result = prunella("policy", "explain", "deployment/web")
    first, header, *rows = (line.rstrip() for line in result.stdout.splitlines())
    assert first == "Deployment/web in shop: ClusterHealingPolicy/all, HealingPolicy/web"
    assert header.split() == ["FIELD", "VALUE", "FROM"]
    table = {row.split()[0]: row.split(maxsplit=2)[1:] for row in rows}
    assert table["mode"] == ["Heal", f"label {HEAL} of the namespace"]
    assert table["grace"] == ["20s", "HealingPolicy/web"]
    assert table["limits.memoryMax"] == ["1Gi", "ClusterHealingPolicy/all"]
    assert table["cooldown"] == ["5m", "built-in"]
    assert kube.writes == []


@pytest.mark.parametrize(("output", "parse"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_as_an_object(prunella, kube, output, parse):
    found = parse(prunella("policy", "explain", "deploy/web", "-n", "shop", "-o", output).stdout)
    assert (found["apiVersion"], found["kind"]) == ("output.prunella.dev/v1alpha1", "EffectivePolicy")
    assert (found["namespace"], found["workload"]) == ("shop", "Deployment/web")
    assert found["policies"] == ["ClusterHealingPolicy/all", "HealingPolicy/web"]
    assert {"field": "grace", "value": "20s", "source": "HealingPolicy/web"} in found["values"]


def test_an_invalid_policy_is_named_with_its_field(prunella, kube):
    kube.put(f"{paths.policies('shop')}/web", {"spec": {"cooldown": "later"}})
    result = prunella("policy", "explain", "deployment/web")
    assert result.exit_code == 1
    assert "error: policy web: spec.cooldown: 'later' is not a duration" in result.stderr


def test_a_workload_that_is_not_there(prunella, kube):
    assert prunella("policy", "explain", "sts/db").exit_code == 1


@pytest.mark.parametrize("workload", ["web", "deployment/", "pod/web-1", "/web"])
def test_something_else_is_wrong_usage(prunella, kube, workload):
    result = prunella("policy", "explain", workload)
    assert result.exit_code == 2
    assert "expected KIND/NAME" in result.stderr
