"""Replicas and an autoscaler's maximum: one change, once, on the object that it is about, and taken back exactly."""

import copy

import pytest
from fakes.kube import FakeKube, failing
from fakes.objects import WEB, a_cluster, a_deployment, a_replica_set, a_template, announced

from prunella_operator.activities.evidence.collector import EvidenceCollector
from prunella_operator.activities.repair.repairer import Repairer
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.views.templates import template_hash
from prunella_workflows.contracts.healing import RepairOrder
from prunella_workflows.model.errors import ChangedSince, Conflict, Refused
from prunella_workflows.model.incident import IncidentRef
from prunella_workflows.model.labels import LAST_ACTION
from prunella_workflows.model.plan import Precondition, RaiseMaxReplicas, Scale

INCIDENT = IncidentRef(namespace="shop", name="web-1", uid="uid-web-1")
PATH, HPA = paths.workload(WEB), paths.autoscalers("shop", "web")
NAMING = {"spec": {"actions": ["Scale", "RaiseMaxReplicas"]}}


@pytest.fixture
def kube():
    labels = {"prunella.dev/heal": "enabled"}
    kube = a_cluster(FakeKube(), a_deployment(a_template(1)), replica_sets=[a_replica_set(1)], labels=labels)
    announced(kube, INCIDENT, "uid-web-1-1")
    return kube


@pytest.fixture
def with_hpa(kube):
    """An autoscaler of web that is at its maximum, and a policy that names the action."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    body = {"metadata": {"namespace": "shop", "uid": "uid-hpa"}, "spec": {"scaleTargetRef": target, "maxReplicas": 2}}
    kube.put(HPA, body, currentReplicas=2, desiredReplicas=2)
    kube.put(f"{paths.policies('shop')}/naming", NAMING)
    return kube


@pytest.fixture
def repairer(kube):
    return Repairer(kube, EvidenceCollector(kube, 30), ("prunella-system",))


def scale(to=4, **values):
    require = Precondition(uid=WEB.uid, template_hash=template_hash(a_template(1)))
    action = Scale(**{"target": WEB, "require": require, "replicas_from": 2, "replicas_to": to, **values})
    return RepairOrder(incident=INCIDENT, action_id="uid-web-1-1", action=action)


def raise_maximum(to=4, **values):
    require = Precondition(uid="uid-hpa")
    fields = {"target": WEB, "require": require, "autoscaler": "web", "max_from": 2, "max_to": to, **values}
    return RepairOrder(incident=INCIDENT, action_id="uid-web-1-1", action=RaiseMaxReplicas(**fields))


def undo_of(done):
    return RepairOrder(incident=INCIDENT, action_id="uid-web-1-1-undo", action=done.undo)


def written(kube):
    """The only patch: its path, its tests, and what it changes."""
    ((_, path, body),) = kube.of("json_patch")
    tests = {operation["path"]: operation["value"] for operation in body if operation["op"] == "test"}
    return path, tests, {operation["path"]: operation["value"] for operation in body if operation["op"] != "test"}


def test_a_scaling_sets_the_replicas_and_two_marks_of_ours(repairer, kube):
    done = repairer.repair(scale())
    path, tests, changes = written(kube)
    assert (path, tests) == (PATH, {"/metadata/uid": WEB.uid, "/metadata/generation": 1, "/spec/replicas": 2})
    assert set(changes) == {
        "/metadata/annotations",
        "/metadata/annotations/prunella.dev~1last-action",
        "/metadata/annotations/prunella.dev~1last-action-at",
        "/metadata/annotations/prunella.dev~1last-change",
        "/spec/replicas",
    }
    assert changes["/spec/replicas"] == 4
    assert done.template_hash == template_hash(a_template(1))
    assert kube.of("create") == [], "no template is replaced, so none is kept"


def test_a_higher_maximum_is_written_to_the_autoscaler_and_to_nothing_else(repairer, with_hpa):
    version = with_hpa.objects[HPA]["metadata"]["resourceVersion"]
    workload = copy.deepcopy(with_hpa.objects[PATH])
    done = repairer.repair(raise_maximum())
    path, tests, changes = written(with_hpa)
    assert path == HPA
    assert tests == {"/metadata/uid": "uid-hpa", "/metadata/resourceVersion": version, "/spec/maxReplicas": 2}
    assert changes["/spec/maxReplicas"] == 4
    assert done.template_hash == ""
    assert with_hpa.objects[PATH] == workload


@pytest.mark.parametrize(("order", "field"), [(scale(), "replicas"), (raise_maximum(), "maxReplicas")])
def test_the_diff_is_that_of_the_field(repairer, with_hpa, order, field):
    if field == "replicas":
        del with_hpa.objects[HPA]
    shown = repairer.preview(order.action)
    assert with_hpa.writes == []
    assert shown == (f"--- spec.{field} (now)\n+++ spec.{field} (repaired)\n@@ -1 +1 @@\n-{field}: 2\n+{field}: 4")
    assert repairer.repair(order).diff == shown


@pytest.mark.parametrize("order", [scale(), raise_maximum()])
def test_a_repeated_order_is_answered_from_the_object(repairer, with_hpa, order):
    if order.action.kind == "Scale":
        del with_hpa.objects[HPA]
    first = repairer.repair(order)
    writes = len(with_hpa.writes)
    assert repairer.repair(order) == first.model_copy(update={"sent": None})
    assert len(with_hpa.writes) == writes


@pytest.mark.parametrize("order", [scale(), raise_maximum()])
def test_an_undo_writes_the_number_back_and_only_once(repairer, with_hpa, order):
    if order.action.kind == "Scale":
        del with_hpa.objects[HPA]
    path = PATH if order.action.kind == "Scale" else HPA
    before = copy.deepcopy(with_hpa.objects[path]["spec"])
    done = repairer.repair(order)
    first = repairer.undo(undo_of(done))
    assert repairer.undo(undo_of(done)) == first.model_copy(update={"sent": None})
    assert with_hpa.objects[path]["spec"] == before
    assert len(with_hpa.of("json_patch")) == 2


def test_the_undo_says_what_it_sets(repairer, with_hpa):
    assert str(repairer.repair(raise_maximum()).undo) == "set maxReplicas of HorizontalPodAutoscaler/web from 4 to 2"


def live(kube, path=PATH):
    return kube.objects[path]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lambda k: live(k)["spec"].update(replicas=3), "is 3 and no longer 2", id="scaled"),
        pytest.param(
            lambda k: live(k)["spec"].update(template=a_template(2)), "template .* was changed", id="released"
        ),
        pytest.param(lambda k: live(k)["metadata"].update(uid="other"), "recreated", id="recreated"),
        pytest.param(
            lambda k: live(k)["metadata"].update(annotations={LAST_ACTION: "x-1"}),
            "another repair",
            id="repaired",
        ),
        pytest.param(
            lambda k: k.put(
                HPA,
                {
                    "metadata": {"namespace": "shop"},
                    "spec": {
                        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
                        "maxReplicas": 9,
                    },
                },
            ),
            "HpaOwned",
            id="an autoscaler appeared",
        ),
        pytest.param(
            lambda k: live(k)["metadata"].update(
                managedFields=[{"manager": "argocd-controller", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]
            ),
            "Argo CD",
            id="Argo CD took the replicas",
        ),
    ],
)
def test_a_scaling_is_not_made_when_it_changed_since(repairer, kube, change, message):
    change(kube)
    with pytest.raises(ChangedSince, match=message):
        repairer.repair(scale())
    assert kube.writes == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lambda k: live(k, HPA)["spec"].update(maxReplicas=3), "is 3 and no longer 2", id="raised"),
        pytest.param(lambda k: live(k, HPA)["metadata"].update(uid="other"), "recreated", id="recreated"),
        pytest.param(lambda k: k.objects.pop(HPA), "was deleted", id="deleted"),
        pytest.param(
            lambda k: live(k, HPA)["metadata"].update(annotations={LAST_ACTION: "x-1"}),
            "another repair",
            id="repaired",
        ),
        pytest.param(
            lambda k: live(k, HPA)["spec"]["scaleTargetRef"].update(name="api"),
            "scaled by no autoscaler",
            id="turned away",
        ),
        pytest.param(
            lambda k: k.objects.pop(f"{paths.policies('shop')}/naming"), "do not include", id="the leave was taken back"
        ),
        pytest.param(
            lambda k: live(k)["metadata"]["labels"].update({"prunella.dev/ignore": "true"}), "OptedOut", id="ignored"
        ),
        pytest.param(
            lambda k: live(k, HPA)["metadata"].update(labels={"app.kubernetes.io/managed-by": "Helm"}),
            "Helm",
            id="Helm's, and it does not tell its managers",
        ),
    ],
)
def test_a_maximum_is_not_raised_when_it_changed_since(repairer, with_hpa, change, message):
    change(with_hpa)
    with pytest.raises(ChangedSince, match=message):
        repairer.repair(raise_maximum())
    assert with_hpa.writes == []


@pytest.mark.parametrize("order", [scale(), raise_maximum()])
def test_an_undo_is_refused_when_somebody_set_the_number(repairer, with_hpa, order):
    path, field = (PATH, "replicas") if order.action.kind == "Scale" else (HPA, "maxReplicas")
    if field == "replicas":
        del with_hpa.objects[HPA]
    done = repairer.repair(order)
    live(with_hpa, path)["spec"][field] = 7
    with pytest.raises(ChangedSince, match="is 7 and no longer 4"):
        repairer.undo(undo_of(done))
    assert live(with_hpa, path)["spec"][field] == 7


def test_an_autoscaler_that_moved_meanwhile_is_a_conflict_and_one_that_stands_still_final(repairer, with_hpa):
    """It writes its own status all the time, which counts as a move: the order is tried again."""

    def move(method, path):
        if method == "PATCH" and path == HPA:
            live(with_hpa, HPA)["metadata"]["resourceVersion"] = "moved"

    with_hpa.before = move
    with pytest.raises(Conflict, match="HorizontalPodAutoscaler/web changed while it was being written"):
        repairer.repair(raise_maximum())
    with_hpa.before = failing(Refused("invalid"), method="PATCH", part="horizontalpodautoscalers")
    with pytest.raises(Refused, match="invalid"):
        repairer.repair(raise_maximum())


def test_an_undo_of_a_scaling_deletes_no_pod_of_a_stateful_set(kube):
    """Its template was never changed, so nothing waits for a broken pod because of us."""
    ref = WEB.model_copy(update={"kind": "StatefulSet"})
    raw = {**a_deployment(a_template(1)), "kind": "StatefulSet"}
    kube.put(paths.workload(ref), raw)
    kube.put(f"{paths.policies('shop')}/naming", NAMING)
    repairer = Repairer(kube, EvidenceCollector(kube, 30), ())
    done = repairer.repair(scale(target=ref))
    repairer.undo(undo_of(done))
    assert kube.of("delete") == []
