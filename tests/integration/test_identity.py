"""Writes denied to Prunella's accounts even with all rights that RBAC can give: see identity.yaml."""

import copy

import pytest
from support.access_control import HOME, RBAC, a_hpa, rules
from support.api import until
from support.deployments import a_deployment, ref_of, released

from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import JSON, MERGE_PATCH
from prunella_operator.kubernetes.views.templates import template_of
from prunella_workflows.model import labels
from prunella_workflows.model.errors import Forbidden

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

OWNERS = "bob: release 6"
STAMP = {labels.LAST_ACTION: "uid-1", labels.BEFORE: "web-prunella-1", labels.AFTER: "2"}


@pytest.fixture(scope="module")
def mighty(api, worker, shop):
    """The worker's account, with all rights that RBAC can give, once the policies are in force (`shop`)."""
    body = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "prunella-too-mighty"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "prunella-worker", "namespace": HOME}],
    }
    api.apply(body)
    until(lambda: ("*", "*", "*") in rules(worker, "default"), 30, "the worker's account has all rights")
    yield worker
    api.delete(f"{RBAC}/clusterrolebindings/prunella-too-mighty")


@pytest.fixture(scope="module")
def target(api, shop):
    return released(
        api, a_deployment(shop, "target", replicas=1, annotations={"team": "shop", labels.CAUSE_BEFORE: OWNERS})
    )


def change(kube, workload, spec=None, **meta):
    """A change of a workload as an action would make it, with its stamp."""
    annotations = {**STAMP, **meta.pop("annotations", {})}
    body = {"metadata": {"annotations": annotations, **meta}, **({"spec": spec} if spec else {})}
    kind, its = workload.get("kind", "Deployment"), workload["metadata"]
    return kube.call(
        "PATCH", f"{paths.collection(kind, its['namespace'])}/{its['name']}", body, MERGE_PATCH, dryRun="All"
    )


def with_pod(workload, **spec):
    """The template with other fields in its pod spec, or in its container."""
    template = copy.deepcopy(template_of(workload))
    template["spec"]["containers"][0].update(spec.pop("container", {}))
    template["spec"].update(spec)
    return {"template": template}


def host_path(kind="hostPath"):
    return [{"name": "data", kind: {"path": "/"} if kind == "hostPath" else {}}]


ROLLBACKS = {
    "another image": ({"container": {"image": "prunella.local/shop:2"}}, None),
    "a volume": ({"volumes": host_path("emptyDir")}, None),
    "a privileged container": ({"container": {"securityContext": {"privileged": True}}}, "more privileges"),
    "an added capability": (
        {"container": {"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}},
        "more privileges",
    ),
    "the host's network": ({"hostNetwork": True}, "more of the node"),
    "the host's processes": ({"hostPID": True}, "more of the node"),
    "the host's files": ({"volumes": host_path()}, "more of the node"),
    "a privileged init container": (
        {"initContainers": [{"name": "i", "image": "i", "securityContext": {"privileged": True}}]},
        "more privileges",
    ),
    "the default account": ({"serviceAccountName": "default"}, None),
    "another account": ({"serviceAccountName": "admin"}, "service account"),
    "a priority": ({"priorityClassName": "system-node-critical"}, "service account"),
    "a node": ({"nodeName": "control-plane"}, "service account"),
    "a runtime class": ({"runtimeClassName": "other"}, "service account"),
}


@pytest.mark.parametrize("cause", ["Prunella: roll back to revision 1", OWNERS])
def test_a_change_of_the_template_may_name_its_cause_or_restore_the_owners(mighty, target, cause):
    release = with_pod(target, container={"image": "prunella.local/shop:2"})
    assert change(mighty, target, release, annotations={labels.CHANGE_CAUSE: cause})


def test_a_change_of_the_template_may_name_no_other_cause(mighty, target):
    release = with_pod(target, container={"image": "prunella.local/shop:2"})
    with pytest.raises(Forbidden, match="change-cause"):
        change(mighty, target, release, annotations={labels.CHANGE_CAUSE: "alice: release 7"})


@pytest.mark.parametrize("what", ROLLBACKS)
def test_a_rollback_has_no_more_rights_than_what_it_replaces(mighty, target, what):
    fields, refusal = ROLLBACKS[what]
    if refusal is None:
        assert change(mighty, target, with_pod(target, **fields))
        return
    with pytest.raises(Forbidden, match=refusal):
        change(mighty, target, with_pod(target, **fields))


def test_a_rollback_may_leave_an_account_and_a_priority_that_the_bad_release_brought(api, mighty, shop):
    bad = a_deployment(shop, "lost", replicas=1)
    bad["spec"]["template"]["spec"] |= {"serviceAccountName": "missing", "priorityClassName": "missing"}
    (bad,) = api.apply(bad)
    good = {"serviceAccountName": None, "serviceAccount": None, "priorityClassName": None}
    assert change(mighty, bad, {"template": {"spec": good}})


def test_people_who_may_change_the_namespace_name_what_a_rollback_may_restore(api, mighty, shop, target):
    path, name = f"/api/v1/namespaces/{shop}", "prunella.dev/may-restore"
    api.patch(path, {"metadata": {"annotations": {name: "priorityClassName=high, serviceAccountName=shop"}}})
    try:
        until(lambda: _tried(mighty, target, with_pod(target, serviceAccountName="shop")), 10, "the account is allowed")
        with pytest.raises(Forbidden, match="service account"):
            change(mighty, target, with_pod(target, serviceAccountName="admin"))
    finally:
        api.patch(path, {"metadata": {"annotations": {name: None}}})


MOUNT = {"name": "data", "mountPath": "/data", "readOnly": True}


def of_kind(kind, namespace, name):
    """A workload that was privileged from the beginning, by its owner's will."""
    workload = a_deployment(namespace, f"{name}-{kind.lower()}")
    workload["kind"], spec = kind, workload["spec"]
    spec["template"]["spec"] |= {"hostNetwork": True, "volumes": host_path(), "serviceAccountName": "agent"}
    context = {"privileged": True, "capabilities": {"add": ["NET_ADMIN"]}}
    spec["template"]["spec"]["containers"][0] |= {"securityContext": context, "volumeMounts": [MOUNT]}
    if kind == "DaemonSet":
        del spec["replicas"]
        spec["template"]["spec"]["nodeSelector"] = {"none": "such"}
    if kind == "StatefulSet":
        spec["serviceName"] = name
    return workload


@pytest.fixture(scope="module", params=["Deployment", "StatefulSet", "DaemonSet"])
def privileged(request, api, shop):
    (workload,) = api.apply(of_kind(request.param, shop, "agent"))
    return {"kind": request.param, **workload}


def test_memory_and_restarts_of_a_privileged_workload_give_it_nothing_more(mighty, privileged):
    template = copy.deepcopy(template_of(privileged))
    template["spec"]["containers"][0]["resources"] = {"limits": {"memory": "96Mi"}, "requests": {"memory": "32Mi"}}
    template["spec"]["containers"][0]["resources"]["requests"]["cpu"] = "10m"
    assert change(mighty, privileged, {"template": template})
    stamp = {"kubectl.kubernetes.io/restartedAt": "2026-11-25T10:00:00Z"}
    assert change(mighty, privileged, {"template": {"metadata": {"annotations": stamp}}})


@pytest.mark.parametrize("container", [{"image": "prunella.local/shop:2"}, {"env": []}, {"volumeMounts": []}])
def test_a_privileged_workload_is_rolled_back_to_what_has_the_same_rights(mighty, privileged, container):
    assert change(mighty, privileged, with_pod(privileged, container=container))


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"container": {"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}}, "more privileges"),
        ({"container": {"volumeMounts": [{**MOUNT, "readOnly": False}]}}, "more of the node"),
        ({"volumes": [{"name": "data", "hostPath": {"path": "/etc"}}]}, "more of the node"),
        ({"hostPID": True}, "more of the node"),
        ({"serviceAccountName": "admin"}, "service account"),
    ],
)
def test_a_privileged_workload_is_not_rolled_back_to_more(mighty, privileged, fields, refusal):
    with pytest.raises(Forbidden, match=refusal):
        change(mighty, privileged, with_pod(privileged, **fields))


@pytest.mark.parametrize(
    ("spec", "refusal"),
    [
        ({"paused": True}, "changes only replicas or template"),
        ({"minReadySeconds": 5}, "changes only replicas or template"),
        ({"strategy": {"type": "Recreate", "rollingUpdate": None}}, "changes only replicas or template"),
        ({"revisionHistoryLimit": 0}, "changes only replicas or template"),
        ({"replicas": 0}, "never scales to nothing"),
    ],
)
def test_other_fields_of_a_workload_are_never_changed(mighty, target, spec, refusal):
    with pytest.raises(Forbidden, match=refusal):
        change(mighty, target, spec)


def test_replicas_and_template_are_never_changed_at_once(mighty, target):
    with pytest.raises(Forbidden, match="never both"):
        change(mighty, target, {"replicas": 2, **with_pod(target, container={"image": "prunella.local/shop:2"})})


@pytest.mark.parametrize(
    "meta",
    [
        {"labels": {"app": "other"}},
        {"annotations": {"team": "prunella"}},
        {"annotations": {"team": None}},
        {"annotations": {"deployment.kubernetes.io/revision": "7"}},
        {"annotations": {labels.CHANGE_CAUSE: "without a change of the template"}},
        {"finalizers": ["prunella.dev/mine"]},
        {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "b"}]},
    ],
)
def test_nothing_of_the_metadata_but_our_own_annotations_is_changed(mighty, target, meta):
    with pytest.raises(Forbidden, match="own annotations"):
        change(mighty, target, **meta)


def test_a_change_bears_the_id_of_its_action(mighty, target):
    body = {"spec": {"replicas": 2}}
    with pytest.raises(Forbidden, match="id of its action"):
        mighty.call("PATCH", paths.workload(ref_of(target)), body, MERGE_PATCH, dryRun="All")
    template = with_pod(target, container={"image": "prunella.local/shop:2"})
    body = {"metadata": {"annotations": {labels.LAST_ACTION: "uid-9"}}, "spec": template}
    with pytest.raises(Forbidden, match="names the snapshot"):
        mighty.call("PATCH", paths.workload(ref_of(target)), body, MERGE_PATCH, dryRun="All")


def test_an_autoscaler_gets_another_maximum_and_nothing_else(api, mighty, shop):
    api.apply(a_deployment(shop, "scaled"), a_hpa(shop))
    path = paths.autoscalers(shop, "scaled")
    meta = {"annotations": {labels.LAST_ACTION: "uid-7"}}
    assert mighty.call("PATCH", path, {"metadata": meta, "spec": {"maxReplicas": 4}}, MERGE_PATCH, dryRun="All")
    for spec in ({"minReplicas": 2}, {"metrics": []}, {"scaleTargetRef": {"name": "web"}}):
        with pytest.raises(Forbidden, match="changes only maxReplicas"):
            mighty.call("PATCH", path, {"metadata": meta, "spec": spec}, MERGE_PATCH, dryRun="All")


def test_namespaces_that_did_not_opt_in_are_never_touched(api, mighty, billing):
    other = released(api, a_deployment(billing, "other"))
    with pytest.raises(Forbidden, match="has not opted in"):
        change(mighty, other, {"replicas": 2})
    for label, refusal in (("ignore", "left alone"), ("heal", "left alone")):
        marks = {f"prunella.dev/{label}": "true" if label == "ignore" else "by-policy"}
        api.patch(f"/api/v1/namespaces/{billing}", {"metadata": {"labels": marks}})
        with pytest.raises(Forbidden, match="has not opted in" if label == "ignore" else refusal):
            change(mighty, other, {"replicas": 2})
    api.patch(f"/api/v1/namespaces/{billing}", {"metadata": {"labels": {"prunella.dev/ignore": None}}})
    assert until(lambda: _tried(mighty, other), 10, "a namespace is open once it says so")
    api.patch(f"/api/v1/namespaces/{billing}", {"metadata": {"labels": {"prunella.dev/heal": None}}})


def _tried(kube, workload, spec=None):
    try:
        return change(kube, workload, spec or {"replicas": 2})
    except Forbidden:
        return None


@pytest.mark.parametrize("namespace", ["kube-system", HOME])
def test_protected_namespaces_are_never_touched_whatever_their_labels_say(api, mighty, namespace):
    path = f"/api/v1/namespaces/{namespace}"
    workload = released(api, a_deployment(namespace, "protected"))
    api.patch(path, {"metadata": {"labels": {"prunella.dev/heal": "enabled"}}})
    try:
        with pytest.raises(Forbidden, match="is protected"):
            change(mighty, workload, {"replicas": 2})
    finally:
        api.patch(path, {"metadata": {"labels": {"prunella.dev/heal": None}}})
        api.delete(paths.workload(ref_of(workload)))


def test_a_pod_is_deleted_only_where_its_stateful_set_waits_for_it_and_resized_only_in_memory(api, mighty, shop):
    deployment = released(api, a_deployment(shop, "pods", replicas=1))
    found = until(lambda: api.items(paths.core(shop, "pods"), labelSelector="app=pods"), 60, "the Deployment's pod")
    path = paths.core(shop, "pods", found[0]["metadata"]["name"])
    with pytest.raises(Forbidden, match="only pods that a StatefulSet waits for"):
        mighty.delete(path, found[0]["metadata"]["uid"])
    cpu = [{"op": "add", "path": "/spec/containers/0/resources/requests/cpu", "value": "20m"}]
    with pytest.raises(Forbidden, match="memory only"):
        mighty.json_patch(f"{path}/resize", cpu)
    body = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "set", "namespace": shop}}
    spec = {key: deployment["spec"][key] for key in ("template", "selector")}
    spec = copy.deepcopy({**spec, "serviceName": "set", "replicas": 1})
    spec["selector"]["matchLabels"] = spec["template"]["metadata"]["labels"] = {"app": "set"}
    api.apply({**body, "spec": spec})
    pod = until(lambda: api.find(paths.core(shop, "pods", "set-0")), 60, "the StatefulSet's pod")
    mighty.delete(paths.core(shop, "pods", "set-0"), pod["metadata"]["uid"])


@pytest.mark.parametrize(
    "request_of",
    [
        ("POST", "/api/v1/namespaces/{shop}/secrets", {"metadata": {"generateName": "x-"}}),
        ("POST", "/api/v1/namespaces/{shop}/configmaps", {"metadata": {"generateName": "x-"}}),
        ("DELETE", "/apis/apps/v1/namespaces/{shop}/deployments/target", None),
        ("PATCH", "/apis/apps/v1/namespaces/{shop}/deployments/target/scale", {"spec": {"replicas": 9}}),
        ("PATCH", "/apis/apps/v1/namespaces/{shop}/deployments/target/status", {"status": {"replicas": 9}}),
        ("PATCH", "/api/v1/namespaces/{shop}", {"metadata": {"labels": {"prunella.dev/heal": "enabled"}}}),
        ("POST", RBAC + "/clusterrolebindings", {"metadata": {"generateName": "x-"}, "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}}),
        ("POST", "/api/v1/namespaces/{shop}/serviceaccounts/default/token", {}),
        ("DELETE", "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/any", None),
        ("POST", "/apis/prunella.dev/v1alpha1/namespaces/{shop}/healingpolicies", {
            "apiVersion": "prunella.dev/v1alpha1", "kind": "HealingPolicy",
            "metadata": {"generateName": "x-"}, "spec": {"mode": "Heal"}}),
    ],
)  # fmt: skip
def test_no_other_kind_of_change_is_made_even_with_all_rights(api, mighty, shop, target, request_of):
    method, path, body = request_of
    where, content = path.format(shop=shop), MERGE_PATCH if method == "PATCH" else JSON
    if where.endswith("/any"):
        api.create(where.rpartition("/")[0], {"metadata": {"name": "any"}, "webhooks": []})
    try:
        with pytest.raises(Forbidden, match="never makes this kind of change"):
            mighty.call(method, where, body, content)
    finally:
        if where.endswith("/any"):
            api.delete(where)


def test_only_incidents_that_have_ended_are_deleted(api, mighty, shop):
    spec = {"target": {"kind": "Deployment", "name": "web"}, "type": "Other", "mode": "DryRun"}
    body = {"apiVersion": "prunella.dev/v1alpha1", "kind": "Incident", "metadata": {"generateName": "old-"}}
    made = api.create(paths.incidents(shop), {**body, "spec": spec})["metadata"]
    path = paths.incidents(shop, made["name"])
    for phase in ("Pending", "Repairing"):
        with pytest.raises(Forbidden, match="has not ended"):
            mighty.delete(path, made["uid"])
        api.patch(f"{path}/status", {"status": {"phase": phase}})
    api.patch(f"{path}/status", {"status": {"phase": "Healed"}})
    mighty.delete(path, made["uid"])
