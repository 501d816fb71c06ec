"""Permissions of Prunella's own accounts on a real API server: all that repairs need, and nothing beyond it."""

import pytest
from support.access_control import HOME, MANIFESTS, RBAC, a_hpa, expand, rules
from support.api import documents, until
from support.deployments import a_deployment, observed, precondition_of, ref_of, released, replica_sets

from prunella_operator import clock
from prunella_operator.activities.evidence.collector import EvidenceCollector
from prunella_operator.activities.repair.repairer import Repairer
from prunella_operator.doctor.permissions import INCIDENTS, POLICIES, REPAIR, SNAPSHOTS, VIEW
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import JSON, MERGE_PATCH
from prunella_operator.kubernetes.views import revisions
from prunella_operator.kubernetes.views.templates import template_hash, template_of
from prunella_workflows.contracts.healing import RepairOrder
from prunella_workflows.model import labels
from prunella_workflows.model.errors import Forbidden
from prunella_workflows.model.incident import IncidentRef
from prunella_workflows.model.plan import (
    EvictPods,
    PodRef,
    RaiseMaxReplicas,
    ResizePods,
    Restart,
    RestoreTemplate,
    Scale,
    SetMemory,
)
from prunella_workflows.model.workload import RevisionRef

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

MI = 1 << 20
ROLES = {document["metadata"]["name"]: document["rules"] for document in documents(MANIFESTS / "base" / "roles.yaml")}


# RBAC


def of(*roles):
    return expand(rule for role in roles for rule in ROLES[role])


def test_rbac_gives_each_account_its_roles_and_the_rights_to_write_only_where_they_were_bound(
    worker, operator, console, shop, billing
):
    everywhere = {worker: of(VIEW, INCIDENTS), operator: of(VIEW, INCIDENTS, POLICIES)}
    assert rules(worker, shop) == everywhere[worker] | of(REPAIR)
    assert rules(operator, shop) == everywhere[operator] | of(SNAPSHOTS)
    for kube, rights in everywhere.items():
        for namespace in (billing, HOME, "kube-system"):
            assert rules(kube, namespace) == rights
    assert rules(console, shop) == of("prunella-console")


@pytest.mark.parametrize(
    "request_of",
    [
        ("GET", "/api/v1/namespaces/{shop}/secrets", None),
        ("GET", "/api/v1/namespaces/kube-system/secrets", None),
        ("POST", "/api/v1/namespaces/{shop}/pods", {"metadata": {"name": "mine"}, "spec": {"containers": []}}),
        ("POST", "/apis/apps/v1/namespaces/{shop}/deployments", {}),
        ("DELETE", "/apis/apps/v1/namespaces/{shop}/deployments/web", None),
        ("DELETE", "/api/v1/namespaces/{shop}/pods", None),
        ("PATCH", "/apis/apps/v1/namespaces/{shop}/deployments/web/scale", {"spec": {"replicas": 9}}),
        ("PATCH", "/apis/apps/v1/namespaces/{billing}/deployments/web", {"spec": {"replicas": 9}}),
        ("DELETE", "/api/v1/namespaces/{billing}/pods/web-0", None),
        ("PATCH", "/api/v1/namespaces/{shop}", {"metadata": {"labels": {"prunella.dev/heal": "enabled"}}}),
        ("POST", RBAC + "/namespaces/{billing}/rolebindings", {}),
        ("POST", "/api/v1/namespaces/{shop}/serviceaccounts/default/token", {}),
        ("POST", "/api/v1/namespaces/{billing}/pods/web-0/eviction", {}),
        ("DELETE", "/apis/prunella.dev/v1alpha1/namespaces/{shop}/healingpolicies/mine", None),
        ("PATCH", "/apis/prunella.dev/v1alpha1/namespaces/{shop}/healingpolicies/mine", {"spec": {}}),
    ],
)
def test_what_no_role_gives_is_forbidden(worker, operator, shop, billing, request_of):
    method, path, body = request_of
    where, kind = path.format(shop=shop, billing=billing), MERGE_PATCH if method == "PATCH" else JSON
    for kube in (worker, operator):
        with pytest.raises(Forbidden, match="cannot"):
            kube.call(method, where, body, kind)


# What the actions write


class Hands:
    """The worker's activities, with the worker's own account."""

    def __init__(self, worker, api):
        self.api, self.repairer = api, Repairer(worker, EvidenceCollector(worker, 2), (HOME,))

    def repair(self, action, number):
        space, name = action.target.namespace, f"hands-{number}"
        target = {"kind": "Deployment", "name": action.target.name}
        body = {"apiVersion": "prunella.dev/v1alpha1", "kind": "Incident", "metadata": {"name": name}}
        made = self.api.create(paths.incidents(space), {**body, "spec": {"target": target, "type": "OOMKilled"}})
        ref = IncidentRef(namespace=space, name=name, uid=made["metadata"]["uid"])
        order = RepairOrder(incident=ref, action_id=f"{ref.uid}-1", action=action)
        attempt = {"number": 1, "actionId": order.action_id, "action": action.kind, "target": "Deployment/web"}
        status = {"phase": "Repairing", "attempts": [{**attempt, "startedAt": clock.now().isoformat()}]}
        self.api.patch(f"{paths.incidents(space, name)}/status", {"status": status})
        done = self.repairer.repair(order)
        self.api.patch(f"{paths.incidents(space, name)}/status", {"status": {"phase": "Healed"}})
        return order, done

    def undo(self, order, done):
        undo = order.model_copy(update={"action_id": f"{order.action_id}-undo", "action": done.undo})
        return self.repairer.undo(undo)


@pytest.fixture(scope="module")
def permissive(api, shop):
    """A namespace whose policy allows everything and lets no repair wait for another."""
    budgets = {f"perHourPer{scope}": 100 for scope in ("Workload", "Namespace")}
    spec = {
        "actions": ["SetMemory", "ResizePods", "RestoreTemplate", "Restart", "Scale", "RaiseMaxReplicas", "EvictPods"],
        "budgets": budgets,
        "cooldown": "0s",
    }
    meta = {"name": "all", "namespace": shop}
    api.apply({"apiVersion": "prunella.dev/v1alpha1", "kind": "HealingPolicy", "metadata": meta, "spec": spec})
    return shop


def limits(**values):
    return {"container": "app", "limit_from": 64 * MI, "limit_to": 96 * MI, **values}


def test_every_action_and_its_undo_can_be_made_with_the_workers_account(api, worker, permissive):
    hands = Hands(worker, api)
    web = released(api, a_deployment(permissive, replicas=1), a_deployment(permissive, version=2, replicas=1))
    old = replica_sets(api, web)[1]
    earlier = RevisionRef(
        source="ReplicaSet", name=old["metadata"]["name"], template_hash=template_hash(template_of(old))
    )

    def on(live, **values):
        return {"target": ref_of(live), "require": precondition_of(live), **values}

    def now():
        return observed(api, web)

    raised = hands.repair(SetMemory(**on(now(), **limits(request_from=16 * MI, request_to=32 * MI))), 1)
    hands.undo(*raised)
    rolled_back = hands.repair(RestoreTemplate(**on(now(), revision=earlier, description="revision 1")), 2)
    hands.undo(*rolled_back)
    scaled = hands.repair(Scale(**on(now(), replicas_from=1, replicas_to=2)), 3)
    hands.undo(*scaled)
    hands.repair(Restart(**on(now(), stamp="2026-11-25T10:00:00Z")), 4)
    hpa = api.apply(a_hpa(permissive))[0]
    scaled_by_it = api.apply(a_deployment(permissive, "scaled", replicas=2))[0]
    require = {"uid": hpa["metadata"]["uid"]}
    raise_max = RaiseMaxReplicas(
        target=ref_of(scaled_by_it), require=require, autoscaler="scaled", max_from=2, max_to=3
    )
    hands.undo(*hands.repair(raise_max, 5))
    pod = until(
        lambda: next(iter(api.items(paths.core(permissive, "pods"), labelSelector="app=scaled")), None), 60, "a pod"
    )
    refs = (PodRef(name=pod["metadata"]["name"], uid=pod["metadata"]["uid"]),)
    resize = ResizePods(**on(observed(api, scaled_by_it), **limits(pods=refs)))
    hands.undo(*hands.repair(resize, 6))
    hands.repair(EvictPods(**on(observed(api, scaled_by_it), pods=refs)), 7)


def test_the_operator_keeps_snapshots_and_only_its_own(api, operator, shop):
    web = released(api, a_deployment(shop, "kept"))
    body = revisions.snapshot({**web, "kind": "Deployment"}, ref_of(web), revisions.KNOWN_GOOD) | {"data": {}}
    path = paths.snapshots(shop, body["metadata"]["name"])
    uid = operator.create(paths.snapshots(shop), body)["metadata"]["uid"]
    operator.merge_patch(path, {"metadata": {"annotations": {labels.GOOD_AT: "2026-11-25T10:00:00+00:00"}}})
    operator.delete(path, uid)
    for change in (
        {"labels": {"app": "kept"}},
        {"labels": {**body["metadata"]["labels"], "app": "kept"}},
        {"ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "kept", "uid": "1"}]},
    ):
        with pytest.raises(Forbidden, match="snapshot"):
            operator.create(paths.snapshots(shop), {**body, "metadata": {**body["metadata"], **change}})
    theirs = {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {"name": "theirs"},
        "revision": 1,
        "data": {},
    }
    uid = api.create(paths.snapshots(shop), theirs)["metadata"]["uid"]
    with pytest.raises(Forbidden, match="snapshots of its own"):
        operator.delete(paths.snapshots(shop, "theirs"), uid)


def test_prunella_opens_incidents_but_never_answers_them(worker, operator, shop):
    body = {"apiVersion": "prunella.dev/v1alpha1", "kind": "Incident", "metadata": {"generateName": "own-"}}
    spec = {"target": {"kind": "Deployment", "name": "web"}, "type": "Other", "mode": "DryRun"}
    approval = {"decision": "Approved", "by": "alice@example.org"}
    for kube in (worker, operator):
        made = kube.create(paths.incidents(shop), {**body, "spec": spec})
        path = paths.incidents(shop, made["metadata"]["name"])
        kube.merge_patch(path, {"metadata": {"annotations": {labels.CANCEL: "true"}}})
        kube.merge_patch(f"{path}/status", {"status": {"phase": "Pending"}})
        for change in ({"approval": approval}, {"suspend": True}, {"acknowledged": {"by": "alice@example.org"}}):
            with pytest.raises(Forbidden, match="only people answer"):
                kube.merge_patch(path, {"spec": change})
        with pytest.raises(Forbidden, match="only people answer"):
            kube.create(paths.incidents(shop), {**body, "spec": {**spec, "approval": approval}})
