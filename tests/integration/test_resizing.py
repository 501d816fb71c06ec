"""Resizing memory of running pods in a real cluster: raised once, without a restart, and lowered by the undo."""

import pytest
from support.api import until
from support.deployments import a_deployment, available, precondition_of, ref_of

from prunella_operator import clock
from prunella_operator.activities.evidence.quotas import read_memory_bounds
from prunella_operator.kubernetes import paths
from prunella_workflows.contracts.healing import RepairOrder
from prunella_workflows.model.errors import ChangedSince, Forbidden, Unavailable
from prunella_workflows.model.incident import IncidentRef
from prunella_workflows.model.plan import PodRef, ResizePods

pytestmark = pytest.mark.integration

MI = 1 << 20


@pytest.fixture
def web(api, namespace):
    """Deployment web with two pods that run."""
    (made,) = api.apply(a_deployment(namespace, replicas=2))
    return available(api, made)


@pytest.fixture
def incident(api, namespace, web):
    spec = {"target": {"kind": "Deployment", "name": "web"}, "type": "OOMKilled"}
    body = {"apiVersion": "prunella.dev/v1alpha1", "kind": "Incident", "metadata": {"name": "web-1"}, "spec": spec}
    uid = api.create(paths.incidents(namespace), body)["metadata"]["uid"]
    attempt = {"number": 1, "actionId": f"{uid}-1", "action": "ResizePods", "target": "Deployment/web"}
    status = {"phase": "Repairing", "attempts": [{**attempt, "startedAt": clock.now().isoformat()}]}
    api.patch(f"{paths.incidents(namespace, 'web-1')}/status", {"status": status})
    return IncidentRef(namespace=namespace, name="web-1", uid=uid)


@pytest.fixture
def order(api, namespace, web, incident):
    pods = sorted(api.pods(namespace), key=lambda pod: pod["metadata"]["name"])
    action = ResizePods(
        target=ref_of(web),
        require=precondition_of(web),
        container="app",
        limit_from=64 * MI,
        limit_to=96 * MI,
        pods=tuple(PodRef(name=pod["metadata"]["name"], uid=pod["metadata"]["uid"]) for pod in pods),
    )
    return RepairOrder(incident=incident, action_id=f"{incident.uid}-1", action=action)


def undo_of(order, done):
    return order.model_copy(update={"action_id": f"{order.action_id}-undo", "action": done.undo})


def limits(api, order):
    return [
        api.get(path(order, pod))["spec"]["containers"][0]["resources"]["limits"]["memory"] for pod in order.action.pods
    ]


def path(order, ref):
    return paths.core(order.action.target.namespace, "pods", ref.name)


def given(api, order):
    """The limits that the kubelets have set, and how often the containers were started."""
    found = [api.get(path(order, pod))["status"]["containerStatuses"][0] for pod in order.action.pods]
    return [(item["resources"]["limits"]["memory"], item["restartCount"]) for item in found]


def test_the_cluster_offers_it(kube, namespace):
    assert read_memory_bounds(kube, namespace).resize_offered


def test_running_containers_get_it_without_a_restart_and_once(repairer, recording_client, api, web, order):
    first = repairer.repair(order)
    assert repairer.repair(order) == first.model_copy(update={"sent": None})
    assert len(recording_client.patches()) == 3
    assert api.get(paths.workload(ref_of(web)))["spec"] == web["spec"]
    until(lambda: given(api, order) == [("96Mi", 0)] * 2, 90, "the kubelets have given it")


def test_a_lost_answer_is_repeated_and_completes_the_rest(repairer, run_once_around, api, order):
    def lose():
        raise Unavailable("the connection broke after the write")

    run_once_around("after", lose)
    with pytest.raises(Unavailable):
        repairer.repair(order)
    assert limits(api, order) == ["64Mi", "64Mi"], "only the mark was written"
    repairer.repair(order)
    assert limits(api, order) == ["96Mi", "96Mi"]


def test_an_undo_lowers_the_limit_again(repairer, api, order):
    done = repairer.repair(order)
    until(lambda: given(api, order) == [("96Mi", 0)] * 2, 90, "the kubelets have given it")
    repairer.undo(undo_of(order, done))
    repairer.undo(undo_of(order, done))
    until(lambda: given(api, order) == [("64Mi", 0)] * 2, 90, "the kubelets have taken it back")


def test_a_pod_that_somebody_resized_stops_it(repairer, recording_client, api, kube, order):
    change = {"op": "replace", "path": "/spec/containers/0/resources/limits/memory", "value": "80Mi"}
    kube.json_patch(f"{path(order, order.action.pods[1])}/resize", [change])
    with pytest.raises(ChangedSince, match="replaced or resized"):
        repairer.repair(order)
    assert recording_client.patches() == []
    assert limits(api, order) == ["64Mi", "80Mi"]


def test_a_quota_that_is_spent_for_the_second_pod_takes_the_first_one_back(repairer, api, namespace, order):
    body = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "all"}}
    api.create(paths.core(namespace, "resourcequotas"), {**body, "spec": {"hard": {"limits.memory": "160Mi"}}})
    quota = paths.core(namespace, "resourcequotas", "all")
    until(lambda: (api.get(quota).get("status") or {}).get("used") == {"limits.memory": "128Mi"}, 90, "it counts")
    with pytest.raises(Forbidden, match="quota"):
        repairer.repair(order)
    assert limits(api, order) == ["64Mi", "64Mi"]
