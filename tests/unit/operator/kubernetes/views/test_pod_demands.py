"""Demands of a pod template: resources, nodes, images, and objects that must exist."""

import pytest

from prunella_operator.kubernetes.views.pod_demands import pod_demands
from prunella_workflows.model.pod_demands import PodDemands


def _container(name="app", image="web:1", **values):
    return {"name": name, "image": image, **values}


def _demands(*containers, **spec):
    return pod_demands({"spec": {"containers": list(containers or (_container(),)), **spec}})


def _resources(requests=None, limits=None):
    return {"resources": {"requests": requests or {}, "limits": limits or {}}}


def test_resources_are_summed_and_a_limit_is_a_request_where_there_is_none():
    first = _container(**_resources({"cpu": "100m"}, {"memory": "64Mi"}))
    sidecar = _container("proxy", restartPolicy="Always", **_resources({"cpu": "1"}))
    init = _container("migrate", **_resources({"cpu": "500m", "memory": "1Gi"}))
    found = _demands(first, initContainers=[sidecar, init]).resources
    assert found == {"limits.memory": 64 << 20, "requests.memory": 1 << 30, "requests.cpu": 1.1}


@pytest.mark.parametrize(
    ("ours", "theirs", "exceeds"),
    [
        pytest.param({"requests.cpu": 1}, {"requests.cpu": 1}, False, id="the same"),
        pytest.param({"requests.cpu": 1}, {"requests.cpu": 2}, False, id="less"),
        pytest.param({"requests.cpu": 2}, {"requests.cpu": 1, "requests.memory": 9}, True, id="more of one"),
        pytest.param({"requests.gpu": 1}, {}, True, id="a resource of its own"),
        pytest.param({}, {"requests.cpu": 1}, False, id="no request"),
        pytest.param({}, {"limits.memory": 1}, True, id="no limit any more"),
    ],
)
def test_more_is_more(ours, theirs, exceeds):
    assert PodDemands(resources=ours).exceeds(PodDemands(resources=theirs)) is exceeds


def test_what_must_exist():
    key = {"name": "A", "valueFrom": {"secretKeyRef": {"name": "token", "key": "a"}}}
    may = {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "web", "key": "b", "optional": True}}}
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    found = _demands(_container(env=[key, may]), serviceAccountName="web", runtimeClassName="gvisor", volumes=volumes)
    assert found.references == {
        *("Secret/token", "Secret/token (key a)", "ConfigMap/web", "PersistentVolumeClaim/data"),
        *("ServiceAccount/web", "RuntimeClass/gvisor"),
    }
    assert (found.runtime_class, found.images, list(found.volumes)) == ("gvisor", {"app": "web:1"}, ["data"])


@pytest.mark.parametrize(
    "change",
    [
        {"nodeSelector": {"disk": "ssd"}},
        {"tolerations": [{"key": "a"}]},
        {"topologySpreadConstraints": [{"maxSkew": 1}]},
        {"affinity": {"podAntiAffinity": {}}},
        {"containers": [_container(ports=[{"containerPort": 80, "hostPort": 80}])]},
        {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_restricts_the_nodes(change):
    plain = {"spec": {"containers": [_container()]}}
    assert pod_demands({"spec": {**plain["spec"], **change}}).placement != pod_demands(plain).placement
    assert pod_demands({"spec": {"containers": [_container(image="web:2")]}}).placement == pod_demands(plain).placement
