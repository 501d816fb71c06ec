"""Replicas and an autoscaler's maximum on a real API server: written once, if all still holds, and taken back."""

import copy

import pytest
from support.api import until
from support.deployments import a_deployment, gone, observed, precondition_of, ref_of, released

from prunella_operator import clock
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.views.scaling import autoscaler_view
from prunella_operator.kubernetes.views.workloads import workload_view
from prunella_workflows.contracts.healing import RepairOrder
from prunella_workflows.model import labels
from prunella_workflows.model.errors import ChangedSince, Conflict, Refused, Unavailable
from prunella_workflows.model.incident import IncidentRef
from prunella_workflows.model.plan import Precondition, RaiseMaxReplicas, Scale

pytestmark = pytest.mark.integration

KINDS = ("replicas", "maxReplicas")
TOOL = "argocd-controller"


@pytest.fixture
def web(api, namespace):
    """Deployment web with two replicas, which need not run."""
    return released(api, a_deployment(namespace, replicas=2))


def an_autoscaler(api, web, maximum=2, **meta):
    """An autoscaler of web. Nothing is measured here, so it never acts by itself."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": web["metadata"]["name"]}
    metric = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
    }
    (deployment,) = api.apply(
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "web", "namespace": web["metadata"]["namespace"], **meta},
            "spec": {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": maximum, "metrics": [metric]},
        }
    )
    return deployment


@pytest.fixture
def hpa(api, web):
    """The autoscaler of web, and a policy that lets its maximum be raised."""
    api.apply(
        {
            "apiVersion": "prunella.dev/v1alpha1",
            "kind": "HealingPolicy",
            "metadata": {"name": "naming", "namespace": web["metadata"]["namespace"]},
            "spec": {"actions": ["Scale", "RaiseMaxReplicas"]},
        }
    )
    return an_autoscaler(api, web)


class Hands:
    """Repairs as requested by an incident that announces each of them first."""

    def __init__(self, repairer, recording_client, api, namespace):
        self._repairer, self._api, self.patches = repairer, api, recording_client.patches
        spec = {"target": {"kind": "Deployment", "name": "web"}, "type": "HighCPU"}
        body = {"apiVersion": "prunella.dev/v1alpha1", "kind": "Incident", "metadata": {"name": "web-1"}, "spec": spec}
        uid = api.create(paths.incidents(namespace), body)["metadata"]["uid"]
        self._incident = IncidentRef(namespace=namespace, name="web-1", uid=uid)

    def repair(self, action):
        action_id = f"{self._incident.uid}-1"
        attempt = {"number": 1, "actionId": action_id, "action": action.kind, "target": "Deployment/web"}
        status = {"phase": "Repairing", "attempts": [{**attempt, "startedAt": clock.now().isoformat()}]}
        self._api.patch(f"{paths.incidents(self._incident.namespace, 'web-1')}/status", {"status": status})
        return self._repairer.repair(RepairOrder(incident=self._incident, action_id=action_id, action=action))

    def undo(self, done):
        action_id = f"{self._incident.uid}-1-undo"
        return self._repairer.undo(RepairOrder(incident=self._incident, action_id=action_id, action=done.undo))


@pytest.fixture
def hands(repairer, recording_client, api, web):
    return Hands(repairer, recording_client, api, web["metadata"]["namespace"])


def scaling(web, to=4, **values):
    fields = {"target": ref_of(web), "require": precondition_of(web), "replicas_from": 2, "replicas_to": to}
    return Scale(**fields | values)


def higher(web, hpa, to=4, **values):
    marks = hpa["metadata"].get("annotations") or {}
    require = Precondition(uid=hpa["metadata"]["uid"], last_action=marks.get(labels.LAST_ACTION, ""))
    fields = {"target": ref_of(web), "require": require, "autoscaler": "web", "max_from": 2, "max_to": to}
    return RaiseMaxReplicas(**fields | values)


def live(api, web):
    return api.get(paths.workload(ref_of(web)))


def hpa_path(web):
    return paths.autoscalers(web["metadata"]["namespace"], "web")


def live_hpa(api, web):
    return api.get(hpa_path(web))


@pytest.fixture(params=KINDS)
def case(request, api, web):
    """Either action, and how to see and set the number that it is about."""
    if request.param == "replicas":
        return Case(api, web, paths.workload(ref_of(web)), "replicas", scaling(web))
    return Case(api, web, hpa_path(web), "maxReplicas", higher(web, request.getfixturevalue("hpa")))


class Case:
    def __init__(self, api, web, path, field, action):
        self.api, self.web, self.path, self.field, self.action = api, web, path, field, action

    @property
    def now(self):
        return self.api.get(self.path)["spec"][self.field]

    def set(self, number):
        self.api.patch(self.path, {"spec": {self.field: number}})


# Written once


def test_it_changes_that_number_only(case, hands):
    before = copy.deepcopy(case.api.get(case.path)["spec"])
    done = hands.repair(case.action)
    after = case.api.get(case.path)
    assert after["spec"] == {**before, case.field: 4}
    assert after["metadata"]["annotations"][labels.LAST_ACTION] == done.action_id
    assert hands.patches() == [case.path]
    assert done.diff.endswith(f"-{case.field}: 2\n+{case.field}: 4")
    managers = {managedfield["manager"] for managedfield in after["metadata"]["managedFields"]}
    assert {"prunella", "prunella-tests"} <= managers


def test_a_repeated_order_gets_the_same_answer_and_writes_nothing(case, hands):
    first = hands.repair(case.action)
    assert [hands.repair(case.action) for _ in range(3)] == [first.model_copy(update={"sent": None})] * 3
    assert hands.patches() == [case.path]


def test_the_answer_got_lost_and_the_retry_finds_its_own_write(case, hands, run_once_around):
    def lose():
        raise Unavailable("the connection broke after the write")

    run_once_around("after", lose)
    with pytest.raises(Unavailable):
        hands.repair(case.action)
    done = hands.repair(case.action)
    assert (hands.patches(), case.now) == ([case.path], 4)
    hands.undo(done)
    assert case.now == 2


def test_it_is_one_write_in_the_audit_log(case, hands, audit, api):
    """Independent of our own records: the count is the API server's."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    user = api.create("/apis/authentication.k8s.io/v1/selfsubjectreviews", body)["status"]["userInfo"]["username"]
    audit.users.add(user)
    for _ in range(3):
        hands.repair(case.action)
    resources = {"apps/deployments", "autoscaling/horizontalpodautoscalers"}

    def ours():
        writes = audit.writes(user, case.web["metadata"]["namespace"])
        return [write for write in writes if write.manager == "prunella" and write.resource in resources]

    until(ours, 90, "the audit log has it")
    assert [(our.verb, our.made) for our in ours()] == [("patch", True)]


# Only if everything still holds


def test_a_number_that_somebody_set_meanwhile_is_left_alone(case, hands):
    case.set(3)
    with pytest.raises(ChangedSince, match="is 3 and no longer 2"):
        hands.repair(case.action)
    assert (hands.patches(), case.now) == ([], 3)


def test_one_that_is_set_between_our_read_and_our_write_makes_it_fail_for_good(case, hands, run_once_around):
    run_once_around("before", lambda: case.set(3))
    with pytest.raises(Conflict):
        hands.repair(case.action)
    with pytest.raises(ChangedSince):
        hands.repair(case.action)
    assert (hands.patches(), case.now) == ([], 3)


def test_another_change_between_our_read_and_our_write_makes_it_fail_and_the_retry_succeeds(
    case, hands, run_once_around
):
    """An autoscaler updates its status all the time; the generation of a workload does not count that."""
    body = {"spec": {"minReadySeconds": 3}} if case.field == "replicas" else {"metadata": {"labels": {"seen": "now"}}}
    run_once_around("before", lambda: case.api.patch(case.path, body))
    with pytest.raises(Conflict):
        hands.repair(case.action)
    assert (hands.patches(), case.now) == ([], 2)
    hands.repair(case.action)
    assert case.now == 4


def test_a_recreated_object_is_another_one(case, hands, api, web):
    gone(api, case.path)
    if case.field == "replicas":
        api.apply(a_deployment(web["metadata"]["namespace"], replicas=2))
    else:
        an_autoscaler(api, web)
    with pytest.raises(ChangedSince, match="recreated"):
        hands.repair(case.action)
    assert (hands.patches(), case.now) == ([], 2)


def test_a_release_meanwhile_stops_a_scaling(hands, api, web):
    api.apply(a_deployment(web["metadata"]["namespace"], version=2, replicas=2))
    with pytest.raises(ChangedSince, match="template"):
        hands.repair(scaling(web))
    assert hands.patches() == []


def test_an_autoscaler_that_appeared_meanwhile_stops_a_scaling(hands, api, web):
    an_autoscaler(api, web, maximum=9)
    with pytest.raises(ChangedSince, match="HorizontalPodAutoscaler/web sets the replicas"):
        hands.repair(scaling(web))
    assert (hands.patches(), live(api, web)["spec"]["replicas"]) == ([], 2)


def test_an_autoscaler_that_is_gone_stops_a_higher_maximum(hands, api, web, hpa):
    action = higher(web, hpa)
    gone(api, hpa_path(web))
    with pytest.raises(ChangedSince, match="was deleted"):
        hands.repair(action)
    assert hands.patches() == []


def test_without_the_policys_word_no_maximum_is_raised(hands, api, web):
    action = higher(web, an_autoscaler(api, web))
    with pytest.raises(ChangedSince, match="do not include RaiseMaxReplicas"):
        hands.repair(action)
    assert (hands.patches(), live_hpa(api, web)["spec"]["maxReplicas"]) == ([], 2)


def test_what_the_api_server_finds_invalid_is_refused_in_its_words(hands, api, web, hpa):
    with pytest.raises(Refused, match="minReplicas"):
        hands.repair(higher(web, hpa, to=0))
    assert (hands.patches(), live_hpa(api, web)["spec"]["maxReplicas"]) == ([], 2)


# Who owns the field, by the API server's own account


def apply_as(kube, workload, manager):
    """Server-side apply by a tool."""
    meta = workload["metadata"]
    path = f"/apis/apps/v1/namespaces/{meta['namespace']}/deployments/{meta['name']}"
    return kube.call("PATCH", path, workload, "application/apply-patch+yaml", fieldManager=manager, force="true")


def test_a_tool_that_applies_the_replicas_owns_them(hands, kube, api, web):
    apply_as(kube, a_deployment(web["metadata"]["namespace"], replicas=2), TOOL)
    with pytest.raises(ChangedSince, match="Argo CD"):
        hands.repair(scaling(web))
    assert hands.patches() == []


def test_a_tool_that_applies_all_but_the_replicas_leaves_them_to_others(hands, kube, api, web):
    body = a_deployment(web["metadata"]["namespace"], annotations={"argocd.argoproj.io/tracking-id": "shop:web"})
    del body["spec"]["replicas"]
    apply_as(kube, body, TOOL)
    # Only a person is left as their manager; the test's own manager would be unknown to Prunella.
    scale = f"{paths.workload(ref_of(web))}/scale"
    kube.call("PATCH", scale, {"spec": {"replicas": 3}}, "application/merge-patch+json", fieldManager="kubectl-scale")
    found = observed(api, live(api, web))
    owners = workload_view({"kind": "Deployment", **found}).owners
    assert "kubectl-scale" in owners["replicas"]
    assert TOOL not in owners["replicas"]
    assert TOOL in owners["template"]
    hands.repair(scaling(found, replicas_from=3, to=5))
    assert live(api, web)["spec"]["replicas"] == 5


def test_managers_of_the_maximum(api, web, hpa):
    assert autoscaler_view(live_hpa(api, web)).owners == {"maxReplicas": ("prunella-tests",)}


# Taken back


def test_an_undo_restores_the_number_and_a_repetition_writes_nothing(case, hands):
    before = copy.deepcopy(case.api.get(case.path)["spec"])
    done = hands.repair(case.action)
    first = hands.undo(done)
    assert case.api.get(case.path)["spec"] == before
    assert hands.undo(done) == first.model_copy(update={"sent": None})
    assert hands.patches() == [case.path] * 2


def test_an_undo_is_refused_when_somebody_set_the_number(case, hands):
    done = hands.repair(case.action)
    case.set(7)
    with pytest.raises(ChangedSince, match="is 7 and no longer 4"):
        hands.undo(done)
    assert (hands.patches(), case.now) == ([case.path], 7)


def test_a_late_duplicate_of_an_undone_action_does_nothing(case, hands):
    """The number is unchanged since the decision, so only the last action shows it."""
    done = hands.repair(case.action)
    hands.undo(done)
    with pytest.raises(ChangedSince, match="another repair"):
        hands.repair(case.action)
    assert (hands.patches(), case.now) == ([case.path] * 2, 2)


def test_a_higher_maximum_never_touches_the_workload(hands, api, web, hpa):
    before = live(api, web)
    done = hands.repair(higher(web, hpa))
    hands.undo(done)
    after = live(api, web)
    assert (after["spec"], after["metadata"].get("annotations")) == (
        before["spec"],
        before["metadata"].get("annotations"),
    )
