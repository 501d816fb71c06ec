"""The reads of a cluster, answered from files."""

from pathlib import Path

import pytest

from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.dump.client import DumpClient, Lack
from prunella_operator.kubernetes.dump.files import read_dump
from prunella_workflows.model.errors import Forbidden, NotFound

DUMP = read_dump(Path(__file__).parents[5] / "examples" / "dumps" / "shop")
PODS = paths.core("shop", "pods")
CRASHING = "checkout-7c9d8f6b54-m2x8d"
POLICY = {"kind": "HealingPolicy", "metadata": {"name": "shop"}, "spec": {"mode": "Heal"}}


@pytest.fixture
def client():
    return DumpClient(DUMP)


def names(found):
    return [item["metadata"]["name"] for item in found]


def test_objects(client):
    assert client.get(f"{paths.collection('Deployment', 'shop')}/web")["metadata"]["name"] == "web"
    assert client.get("/api/v1/nodes/node-1")["metadata"]["name"] == "node-1"
    with pytest.raises(NotFound, match="the dump has no pods/gone"):
        client.get(f"{PODS}/gone")
    assert client.lacks == ()


def test_lists_and_selectors(client):
    assert len(names(client.list(PODS))) == 8
    assert names(client.list(PODS, labelSelector="app=checkout,pod-template-hash notin (6b5f9c7d88)")) == [CRASHING]
    assert names(client.list(PODS, labelSelector="app in (web,other),!canary,pod-template-hash")) == [
        "web-59c8d7f6bb-5hxqp",
        "web-59c8d7f6bb-d9k4s",
    ]
    assert names(client.list("/api/v1/pods")) == names(client.list(PODS))
    assert len(names(client.list(paths.core("shop", "events"), fieldSelector="type=Warning"))) == 3
    assert names(client.list(paths.core("shop", "events"), fieldSelector="reason=Nominated")) == []
    assert client.lacks == ()


def test_an_empty_list_is_no_lack_and_a_missing_one_is(client):
    assert names(client.list(paths.collection("DaemonSet", "shop"))) == []
    assert names(client.list(paths.collection("StatefulSet", "shop"))) == []
    assert names(client.list(paths.core("other", "pods"))) == []
    assert client.lacks == (Lack("statefulsets", "shop"), Lack("pods", "other"))


def test_whether_an_object_of_a_missing_list_exists_is_not_known(client):
    with pytest.raises(Forbidden, match="the dump has no statefulsets/db"):
        client.get(f"{paths.collection('StatefulSet', 'shop')}/db")
    assert client.get("/api/v1/namespaces/shop")["metadata"] == {"name": "shop"}
    assert client.lacks == (Lack("statefulsets", "shop"), Lack("namespaces"))


def test_what_a_dump_never_has(client):
    assert client.get("/api/v1") == {"resources": []}
    with pytest.raises(NotFound, match="no measurements"):
        list(client.list(paths.pod_metrics("shop")))
    assert client.lacks == (Lack("resources"), Lack("measurements"))


def test_policies_are_those_of_the_diagnosis():
    client = DumpClient(DUMP, (POLICY, {**POLICY, "metadata": {"name": "other", "namespace": "other"}}))
    assert names(client.list(paths.policies("shop"))) == ["shop"]
    assert names(client.list(paths.policies())) == []
    assert names(client.list(paths.incidents("shop"))) == []
    assert client.lacks == ()


def test_the_log_of_a_container_that_waits_is_that_of_its_last_run(client):
    log = f"{PODS}/{CRASHING}/log"
    assert client.text(log, container="app", tailLines="1", previous="true").endswith("FATAL cannot start")
    assert client.text(log, container="app", tailLines="1").endswith("FATAL cannot start")


def test_the_run_before_of_a_container_that_runs_is_not_in_the_dump(client):
    log = f"{PODS}/web-59c8d7f6bb-5hxqp/log"
    assert client.text(log, container="app", tailLines="20").endswith("GET / 200")
    with pytest.raises(NotFound):
        client.text(log, container="app", tailLines="20", previous="true")
    assert client.lacks == (Lack("logs", "shop", "the previous run of container app of pod web-59c8d7f6bb-5hxqp"),)


def test_nothing_is_written(client):
    with pytest.raises(Forbidden, match="a dump cannot be changed"):
        client.merge_patch(f"{PODS}/{CRASHING}", {})
