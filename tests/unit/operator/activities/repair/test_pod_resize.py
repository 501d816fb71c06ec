"""More memory in running pods: marked on the workload, set in each pod, completed when repeated, and taken back."""

import copy

import pytest
from fakes.kube import FakeKube, failing
from fakes.objects import WEB, a_cluster, a_deployment, a_pod, a_replica_set, a_template, announced

from prunella_operator.activities.evidence.collector import EvidenceCollector
from prunella_operator.activities.evidence.quotas import read_memory_bounds
from prunella_operator.activities.repair.repairer import Repairer
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.views.pods import pod_view
from prunella_operator.kubernetes.views.templates import template_hash
from prunella_workflows.contracts.healing import RepairOrder
from prunella_workflows.model.errors import ChangedSince, Forbidden, Refused, Unavailable
from prunella_workflows.model.incident import IncidentRef
from prunella_workflows.model.plan import PodRef, Precondition, ResizePods

MI = 1 << 20
INCIDENT = IncidentRef(namespace="shop", name="web-1", uid="uid-web-1")
PODS = {name: paths.core("shop", "pods", name) for name in ("web-a", "web-b")}
REQUIRE = Precondition(uid=WEB.uid, template_hash=template_hash(a_template(1)))
ORDER = RepairOrder(
    incident=INCIDENT,
    action_id="uid-web-1-1",
    action=ResizePods(
        target=WEB,
        require=REQUIRE,
        container="app",
        limit_from=64 * MI,
        limit_to=128 * MI,
        pods=tuple(PodRef(name=name, uid=f"uid-{name}") for name in PODS),
    ),
)


@pytest.fixture
def kube():
    labels = {"prunella.dev/heal": "enabled"}
    pods = [a_pod(name) for name in PODS]
    kube = a_cluster(FakeKube(), a_deployment(a_template(1)), [a_replica_set(1)], pods, labels=labels)
    announced(kube, INCIDENT, ORDER.action_id)
    return kube


@pytest.fixture
def repairer(kube):
    return Repairer(kube, EvidenceCollector(kube, 30), ("prunella-system",))


def undo_of(done):
    return RepairOrder(incident=INCIDENT, action_id="uid-web-1-1-undo", action=done.undo)


def resources(kube, name):
    return kube.objects[PODS[name]]["spec"]["containers"][0]["resources"]


def limits(kube):
    return [resources(kube, name)["limits"]["memory"] for name in PODS]


def test_the_workload_is_marked_and_then_each_pod_is_changed(repairer, kube):
    before = copy.deepcopy(kube.objects[paths.workload(WEB)]["spec"])
    done = repairer.repair(ORDER)
    first, *rest = kube.of("json_patch")
    assert (first[1], [write[1] for write in rest]) == (paths.workload(WEB), [f"{pod}/resize" for pod in PODS.values()])
    assert all("annotations" in operation["path"] for operation in first[2] if operation["op"] != "test")
    assert [(operation["op"], operation["path"]) for operation in rest[0][2]] == [
        ("test", "/metadata/uid"),
        ("test", "/spec/containers/0/name"),
        ("test", "/spec/containers/0/resources/limits/memory"),
        ("replace", "/spec/containers/0/resources/limits/memory"),
    ]
    assert kube.objects[paths.workload(WEB)]["spec"] == before
    assert done.template_hash == REQUIRE.template_hash
    assert done.diff == repairer.preview(ORDER.action)
    assert "-memory: 64Mi\n+memory: 128Mi" in done.diff
    assert kube.of("create") == []


def test_a_request_that_is_equal_to_the_limit_goes_with_it_and_back(repairer, kube):
    resources(kube, "web-a")["requests"]["memory"] = "64Mi"
    done = repairer.repair(ORDER)
    assert resources(kube, "web-a") == {"limits": {"memory": "128Mi"}, "requests": {"memory": "128Mi"}}
    assert resources(kube, "web-b")["requests"] == {"memory": "16Mi"}
    repairer.undo(undo_of(done))
    assert resources(kube, "web-a") == {"limits": {"memory": "64Mi"}, "requests": {"memory": "64Mi"}}


def test_a_repeated_order_completes_what_is_missing(repairer, kube):
    kube.before = failing(Unavailable("gone"), method="PATCH", part="web-b/resize")
    with pytest.raises(Unavailable):
        repairer.repair(ORDER)
    assert limits(kube) == ["128Mi", "64Mi"]
    first = repairer.repair(ORDER)
    assert repairer.repair(ORDER) == first
    assert limits(kube) == ["128Mi", "128Mi"]
    assert len(kube.of("json_patch")) == 3


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda k: k.objects.pop(PODS["web-b"]), id="gone"),
        pytest.param(lambda k: k.objects[PODS["web-b"]]["metadata"].update(uid="other"), id="recreated"),
        pytest.param(lambda k: resources(k, "web-b")["limits"].update(memory="80Mi"), id="resized"),
    ],
)
def test_a_pod_that_changed_is_left_alone(repairer, kube, change):
    copied = copy.deepcopy(kube)
    change(copied)
    with pytest.raises(ChangedSince, match="web-b was replaced or resized"):
        Repairer(copied, EvidenceCollector(copied, 30), ()).repair(ORDER)
    assert copied.writes == [], "before the write nothing is touched"
    done = repairer.repair(ORDER)
    change(kube)
    writes = len(kube.writes)
    repairer.repair(ORDER)
    assert len(kube.writes) == writes
    repairer.undo(undo_of(done))
    assert [write[1] for write in kube.writes[writes:]] == [paths.workload(WEB), f"{PODS['web-a']}/resize"]


@pytest.mark.parametrize("error", [Refused, Forbidden])
def test_a_refusal_of_one_pod_takes_all_back(repairer, kube, error):
    kube.before = failing(error("too much"), method="PATCH", part="web-b/resize")
    with pytest.raises(error, match="too much"):
        repairer.repair(ORDER)
    assert limits(kube) == ["64Mi", "64Mi"]


def test_an_undo_that_is_refused_says_so_and_does_the_rest(repairer, kube):
    done = repairer.repair(ORDER)
    kube.before = failing(Refused("may not be decreased"), method="PATCH", part="web-a/resize")
    with pytest.raises(Refused, match="pod web-a: may not be decreased"):
        repairer.undo(undo_of(done))
    assert limits(kube) == ["128Mi", "64Mi"]


@pytest.mark.parametrize(("resources", "offered"), [(["pods"], False), (["pods", "pods/resize"], True)])
def test_what_the_api_server_offers_is_asked(kube, resources, offered):
    kube.put("/api/v1", {"resources": [{"name": resource} for resource in resources]})
    assert read_memory_bounds(kube, "shop").resize_offered is offered


@pytest.mark.parametrize(
    ("condition", "resizing", "words"),
    [
        ({"type": "PodResizePending", "reason": "Infeasible", "message": "too much"}, False, "Infeasible: too much"),
        ({"type": "PodResizePending", "reason": "Deferred", "message": "later"}, False, "Deferred: later"),
        ({"type": "PodResizeInProgress"}, True, ""),
        ({"type": "PodResizeInProgress", "reason": "Error", "message": "no"}, True, "Error: no"),
    ],
)
def test_the_kubelets_words_are_kept(condition, resizing, words):
    pod = a_pod()
    pod["status"]["conditions"].append(condition)
    view = pod_view(pod)
    assert (view.resizing, view.resize_refused) == (resizing, words)
