"""Permission to make requests of Prunella and to answer it, enforced by the API server whatever a client writes."""

import dataclasses
from pathlib import Path

import pytest
from support.api import documents, until
from support.deployments import a_namespace

from prunella_operator.incidents.client import KubeIncidents, acknowledge, decide
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_workflows.model.errors import Forbidden, NotFound, PrunellaError

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

MANIFEST = Path(__file__).parents[2] / "manifests" / "admission" / "incidents.yaml"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
INCIDENTS = {"apiGroups": ["prunella.dev"], "resources": ["incidents"], "verbs": ["*"]}
PARTS = {"apiGroups": [""], "resources": ["pods", "replicasets"], "verbs": ["get", "patch"]}
DEPLOYMENTS = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "patch"]}


@pytest.fixture(scope="module")
def guarded(kube, api):
    """The only namespace in which the policy is in force, and two people: one may patch Deployments, one may not."""
    name = a_namespace(api, "admission-", heal="enabled")
    policy, binding = documents(MANIFEST)
    labels = {"matchLabels": {"kubernetes.io/metadata.name": name}}
    binding["spec"]["matchResources"] = {"namespaceSelector": labels}
    kube.apply(f"{ADMISSION}/validatingadmissionpolicies/{policy['metadata']['name']}", policy)
    kube.apply(f"{ADMISSION}/validatingadmissionpolicybindings/{binding['metadata']['name']}", binding)
    yield name
    kube.call("DELETE", f"{ADMISSION}/validatingadmissionpolicybindings/{binding['metadata']['name']}")
    kube.call("DELETE", f"{ADMISSION}/validatingadmissionpolicies/{policy['metadata']['name']}")
    api.delete(f"/api/v1/namespaces/{name}")


def _person(kube, access, namespace, name, *rules):
    kube.create(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": name}})
    kube.create(f"{RBAC}/namespaces/{namespace}/roles", {"metadata": {"name": name}, "rules": list(rules)})
    binding = {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
    }
    kube.create(f"{RBAC}/namespaces/{namespace}/rolebindings", binding)
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
    token = kube.create(path, {"spec": {"expirationSeconds": 3600}})["status"]["token"]
    theirs = {"cert_path": None, "key_path": None, "authorization": lambda: f"Bearer {token}"}
    return SyncClient(dataclasses.replace(access, **theirs))


@pytest.fixture(scope="module")
def mechanic(kube, access, guarded):
    """May patch Deployments."""
    return _person(kube, access, guarded, "mechanic", INCIDENTS, DEPLOYMENTS)


@pytest.fixture(scope="module")
def debugger(kube, access, guarded):
    """May patch pods and ReplicaSets, and nothing above them."""
    return _person(kube, access, guarded, "debugger", INCIDENTS, PARTS, {**PARTS, "apiGroups": ["apps"]})


@pytest.fixture(scope="module")
def guest(kube, access, guarded):
    """May handle incidents, and nothing else."""
    return _person(kube, access, guarded, "guest", INCIDENTS)


@pytest.fixture(scope="module", autouse=True)
def in_force(guest, guarded):
    """A policy takes effect some moments after it was written."""

    def refused():
        try:
            guest.create(f"/apis/prunella.dev/v1alpha1/namespaces/{guarded}/incidents", an_incident())
        except Forbidden as error:
            return "may not patch" in str(error)
        return False

    until(refused, 90, "the admission policy is in force")


def an_incident(kind="Deployment", **spec):
    target = {"kind": kind, "name": "web", **({"apiVersion": "batch/v1"} if kind == "Job" else {})}
    meta = {"generateName": "web-", "labels": {"prunella.dev/ignore": "true"}}
    body = {"target": target, "type": "PodCrashLoop", "mode": "Heal", **spec}
    return {"apiVersion": "prunella.dev/v1alpha1", "kind": "Incident", "metadata": meta, "spec": body}


def me(namespace, name):
    return f"system:serviceaccount:{namespace}:{name}"


def test_who_may_patch_a_workload_may_ask_for_its_repair(mechanic, guarded):
    path = f"/apis/prunella.dev/v1alpha1/namespaces/{guarded}/incidents"
    assert mechanic.create(path, an_incident())["metadata"]["name"].startswith("web-")


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "Job"])
def test_who_may_not_is_refused_and_told_what_is_open_to_him(guest, guarded, kind):
    path = f"/apis/prunella.dev/v1alpha1/namespaces/{guarded}/incidents"
    with pytest.raises(Forbidden, match=rf"you may not patch {kind.lower()}s/web.*DryRun is open"):
        guest.create(path, an_incident(kind))


def test_who_may_patch_one_kind_may_not_ask_for_another(mechanic, guarded):
    path = f"/apis/prunella.dev/v1alpha1/namespaces/{guarded}/incidents"
    with pytest.raises(Forbidden, match="statefulsets/web"):
        mechanic.create(path, an_incident("StatefulSet"))


def test_everybody_may_ask_for_a_dry_run_and_nobody_can_turn_it_into_more(guest, guarded):
    path = f"/apis/prunella.dev/v1alpha1/namespaces/{guarded}/incidents"
    name = guest.create(path, an_incident(mode="DryRun"))["metadata"]["name"]
    with pytest.raises(PrunellaError, match=r"spec\.(mode|target)"):
        guest.merge_patch(f"{path}/{name}", {"spec": {"mode": "Heal"}})


def test_an_answer_bears_the_name_of_the_one_who_gives_it(mechanic, guest, guarded):
    path = f"/apis/prunella.dev/v1alpha1/namespaces/{guarded}/incidents"
    incident = f"{path}/{mechanic.create(path, an_incident())['metadata']['name']}"
    answer = {"decision": "Approved", "reason": "go ahead"}
    with pytest.raises(Forbidden, match=r"spec\.approval\.by: must be your own name"):
        mechanic.merge_patch(incident, {"spec": {"approval": {**answer, "by": "alice@example.org"}}})
    with pytest.raises(Forbidden, match=r"spec\.approval: you may not patch deployments/web"):
        guest.merge_patch(incident, {"spec": {"approval": {**answer, "by": me(guarded, "guest")}}})
    given = mechanic.merge_patch(incident, {"spec": {"approval": {**answer, "by": me(guarded, "mechanic")}}})
    assert given["spec"]["approval"]["by"] == me(guarded, "mechanic")


def test_an_answer_names_only_groups_of_the_one_who_gives_it(mechanic, guarded):
    path = f"/apis/prunella.dev/v1alpha1/namespaces/{guarded}/incidents"
    incident = f"{path}/{mechanic.create(path, an_incident())['metadata']['name']}"
    mine = f"system:serviceaccounts:{guarded}"
    answer = {"decision": "Approved", "by": me(guarded, "mechanic")}
    for groups in (["system:masters"], [mine, "sre"]):
        with pytest.raises(Forbidden, match=r"spec\.approval\.groups: must be groups of yours"):
            mechanic.merge_patch(incident, {"spec": {"approval": {**answer, "groups": groups}}})
    given = mechanic.merge_patch(incident, {"spec": {"approval": {**answer, "groups": [mine]}}})
    assert given["spec"]["approval"]["groups"] == [mine]


def test_nobody_inherits_the_groups_of_an_earlier_answer(kube, mechanic, guarded):
    path = f"/apis/prunella.dev/v1alpha1/namespaces/{guarded}/incidents"
    incident = f"{path}/{mechanic.create(path, an_incident())['metadata']['name']}"
    admin = KubeIncidents(kube)
    first = {"decision": "Rejected", "by": admin.whoami(), "groups": ["system:masters"]}
    kube.merge_patch(incident, {"spec": {"approval": first}})
    with pytest.raises(Forbidden, match="must be groups of yours"):
        mechanic.merge_patch(incident, {"spec": {"approval": {"decision": "Approved", "by": me(guarded, "mechanic")}}})


def test_the_command_line_answers_so_that_it_is_admitted(mechanic, guarded):
    path = f"/apis/prunella.dev/v1alpha1/namespaces/{guarded}/incidents"
    name = mechanic.create(path, an_incident())["metadata"]["name"]
    decide(KubeIncidents(mechanic), guarded, name, "Approved", "go ahead")
    assert mechanic.get(f"{path}/{name}")["spec"]["approval"]["by"] == me(guarded, "mechanic")


def test_who_takes_over_bears_his_own_name(guest, guarded):
    path = f"/apis/prunella.dev/v1alpha1/namespaces/{guarded}/incidents"
    name = guest.create(path, an_incident(mode="DryRun"))["metadata"]["name"]
    with pytest.raises(Forbidden, match=r"spec\.acknowledged\.by: must be your own name"):
        guest.merge_patch(f"{path}/{name}", {"spec": {"acknowledged": {"by": "alice@example.org"}}})
    acknowledge(KubeIncidents(guest), guarded, name)
    taken = guest.get(f"{path}/{name}")["spec"]["acknowledged"]
    assert taken == {"by": me(guarded, "guest")}
    with pytest.raises(PrunellaError, match=r"spec\.acknowledged"):
        guest.merge_patch(f"{path}/{name}", {"spec": {"acknowledged": None}})


def test_other_changes_of_an_incident_need_no_more_than_rbac_asks_for(mechanic, guest, guarded):
    path = f"/apis/prunella.dev/v1alpha1/namespaces/{guarded}/incidents"
    incident = f"{path}/{mechanic.create(path, an_incident())['metadata']['name']}"
    assert guest.merge_patch(incident, {"spec": {"suspend": True}})["spec"]["suspend"] is True


def by_pod(**spec):
    body = an_incident(podName="web-0", **spec)
    del body["spec"]["target"]
    return body


@pytest.mark.parametrize("body", [by_pod(), an_incident("ReplicaSet")], ids=["pod", "replica set"])
def test_who_may_patch_a_part_may_not_ask_for_the_workload_above_it(debugger, guarded, body):
    path = f"/apis/prunella.dev/v1alpha1/namespaces/{guarded}/incidents"
    with pytest.raises(Forbidden, match=r"stands for the workload that owns it.*name the workload in spec\.target"):
        debugger.create(path, body)


def test_who_may_patch_all_that_a_pod_may_belong_to_may_name_the_pod(kube, debugger, guarded):
    path = f"/apis/prunella.dev/v1alpha1/namespaces/{guarded}/incidents"
    assert debugger.create(path, by_pod(mode="DryRun"))["spec"]["podName"] == "web-0"
    assert kube.create(path, by_pod())["spec"]["mode"] == "Heal"


TURNS = {"prunella.dev/repair-slots": '{"target":"Deployment/web","taken":{"a":"2099-01-01T00:00:00Z"}}'}


MARKS = [
    pytest.param({"labels": {"prunella.dev/repair-slot": "requested"}}, id="a slot"),
    pytest.param({"annotations": TURNS}, id="the times of slots"),
    pytest.param({"labels": {"prunella.dev/source": "pods"}}, id="a source"),
    pytest.param({"labels": {"prunella.dev/workload": "0123456789abcdef0123"}}, id="the key of a workload"),
    pytest.param({"annotations": {"prunella.dev/fault": "0123456789abcdef"}}, id="a fault"),
]


@pytest.mark.parametrize("marks", MARKS)
def test_nobody_but_who_writes_the_status_sets_the_marks_that_count(kube, mechanic, guarded, marks):
    path = f"/apis/prunella.dev/v1alpha1/namespaces/{guarded}/incidents"
    body = an_incident()
    with pytest.raises(Forbidden, match="only Prunella sets them"):
        mechanic.create(path, {**body, "metadata": {**body["metadata"], **marks}})
    incident = f"{path}/{mechanic.create(path, body)['metadata']['name']}"
    with pytest.raises(Forbidden, match="only Prunella sets them"):
        mechanic.merge_patch(incident, {"metadata": marks})
    kube.merge_patch(incident, {"metadata": marks})
    mechanic.merge_patch(incident, {"spec": {"suspend": True}})
    (kind,) = marks
    mechanic.merge_patch(incident, {"metadata": {kind: dict.fromkeys(marks[kind])}})


def test_an_incident_that_is_being_deleted_only_loses_its_finalizers(mechanic, guarded):
    path = f"/apis/prunella.dev/v1alpha1/namespaces/{guarded}/incidents"
    body = an_incident()
    body["metadata"]["finalizers"] = ["example.org/kept", "example.org/other"]
    incident = f"{path}/{mechanic.create(path, body)['metadata']['name']}"
    mechanic.call("DELETE", incident)
    marks = {"labels": {"prunella.dev/repair-slot": "requested"}, "annotations": TURNS}
    approval = {"decision": "Approved", "by": me(guarded, "mechanic")}
    for change in ({"metadata": marks}, {"spec": {"approval": approval}}):
        with pytest.raises(Forbidden, match="is being deleted"):
            mechanic.merge_patch(incident, change)
    mechanic.merge_patch(incident, {"metadata": {"finalizers": ["example.org/kept"]}})
    mechanic.merge_patch(incident, {"metadata": {"finalizers": None}})
    with pytest.raises(NotFound):
        mechanic.get(incident)


def test_prunella_itself_opens_incidents_also_where_it_may_not_repair(worker, operator, guarded):
    path = f"/apis/prunella.dev/v1alpha1/namespaces/{guarded}/incidents"
    for kube in (worker, operator):
        assert kube.create(path, an_incident())["spec"]["mode"] == "Heal"
