"""Repair and undo against a real API server: written once, only if everything still holds, and taken back exactly."""

import copy
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.api import until
from support.deployments import a_deployment, gone, observed, precondition_of, ref_of, released, replica_sets

from prunella_operator.activities.evidence.collector import EvidenceCollector
from prunella_operator.activities.repair.repairer import Repairer
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.views import revisions
from prunella_operator.kubernetes.views.templates import template_hash, template_of
from prunella_workflows.contracts.healing import RepairOrder
from prunella_workflows.model import labels
from prunella_workflows.model.errors import ChangedSince, Conflict, Forbidden, NotFound, Refused, Unavailable
from prunella_workflows.model.incident import IncidentRef
from prunella_workflows.model.plan import RestoreTemplate, SetMemory
from prunella_workflows.model.quantity import parse_bytes
from prunella_workflows.model.workload import RevisionRef

pytestmark = pytest.mark.integration

MI = 1 << 20


@pytest.fixture
def web(api, namespace):
    """Deployment web, release 2 of two, without pods."""
    return released(api, a_deployment(namespace), a_deployment(namespace, version=2))


def order_of(action, number=1, undo=False):
    incident = IncidentRef(namespace=action.target.namespace, name="web-1", uid="uid-web-1")
    return RepairOrder(incident=incident, action_id=f"uid-web-1-{number}" + ("-undo" if undo else ""), action=action)


def memory(web, to="96Mi", number=1, **values):
    container = template_of(web)["spec"]["containers"][0]["resources"]
    request = parse_bytes(container["requests"]["memory"]) if "requests" in container else None
    action = SetMemory(
        **{
            "target": ref_of(web),
            "require": precondition_of(web),
            "container": "app",
            "limit_from": parse_bytes(container["limits"]["memory"]),
            "limit_to": parse_bytes(to),
            "request_from": request,
            "request_to": request,
            **values,
        }
    )
    return order_of(action, number)


def rollback(web, ref):
    return order_of(
        RestoreTemplate(target=ref_of(web), require=precondition_of(web), revision=ref, description="revision 1")
    )


def in_history(api, web, number=1):
    replica_set = replica_sets(api, web)[number]
    name = replica_set["metadata"]["name"]
    return RevisionRef(source="ReplicaSet", name=name, template_hash=template_hash(template_of(replica_set)))


def live(api, web):
    return api.get(paths.workload(ref_of(web)))


def version(api, web):
    return live(api, web)["metadata"]["resourceVersion"]


def as_owner(api, web, **spec):
    """A change by the owner."""
    return api.patch(paths.workload(ref_of(web)), {"spec": spec})


def new_release(api, web):
    container = {"name": "app", "env": [{"name": "RELEASE", "value": "9"}]}
    return as_owner(
        api, web, template={"spec": {"containers": [{**template_of(web)["spec"]["containers"][0], **container}]}}
    )


def limit(workload):
    return template_of(workload)["spec"]["containers"][0]["resources"]["limits"]["memory"]


# Written once


def test_a_memory_raise_changes_that_limit_only(repairer, api, web):
    done = repairer.repair(memory(web))
    after = live(api, web)
    expected = copy.deepcopy(web["spec"])
    expected["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"] = "96Mi"
    assert after["spec"] == expected
    assert after["metadata"]["annotations"][labels.LAST_ACTION] == "uid-web-1-1"
    assert done.template_hash == template_hash(template_of(after))
    assert "-        memory: 64Mi" in done.diff
    assert {"prunella", "prunella-tests"} <= {
        managedfield["manager"] for managedfield in after["metadata"]["managedFields"]
    }


def test_a_rollback_to_a_replica_set_restores_its_template_and_keeps_everything_else(repairer, api, web):
    path = paths.workload(ref_of(web))
    api.patch(
        path, {"metadata": {"annotations": {"team": "shop"}}, "spec": {"strategy": {"rollingUpdate": {"maxSurge": 3}}}}
    )
    web = observed(api, live(api, web))
    repairer.repair(rollback(web, in_history(api, web)))
    after = observed(api, live(api, web))
    assert after["spec"] == {**web["spec"], "template": after["spec"]["template"]}
    assert template_of(after)["spec"]["containers"][0]["env"] == [{"name": "RELEASE", "value": "1"}]
    assert "pod-template-hash" not in template_of(after)["metadata"]["labels"]
    assert after["metadata"]["annotations"]["team"] == "shop"
    until(lambda: 3 in replica_sets(api, web), 90, "the old ReplicaSet is the newest revision")
    assert len(replica_sets(api, web)) == 2, "the controller uses the old ReplicaSet again"
    cause = replica_sets(api, web)[3]["metadata"]["annotations"][labels.CHANGE_CAUSE]
    assert cause.startswith("Prunella: roll back to "), "kubectl rollout history shows it"


def test_a_rollback_to_a_snapshot_when_the_history_is_gone(repairer, kube, api, namespace):
    first = released(api, a_deployment(namespace))
    kept = revisions.snapshot({"kind": "Deployment", **first}, ref_of(first), revisions.KNOWN_GOOD)
    kube.create(paths.snapshots(namespace), kept)
    web = released(api, a_deployment(namespace, version=2, revisionHistoryLimit=0))
    until(lambda: len(replica_sets(api, web)) == 1, 90, "the history is gone")
    ref = RevisionRef(
        source="Snapshot", name=kept["metadata"]["name"], template_hash=template_hash(kept["data"]["template"])
    )
    repairer.repair(rollback(web, ref))
    assert template_of(live(api, web)) == template_of(first)


def test_a_rollback_to_a_replica_set_that_is_gone_meanwhile_writes_nothing(repairer, recording_client, api, web):
    order = rollback(web, in_history(api, web))
    gone(api, f"{paths.collection('ReplicaSet', web['metadata']['namespace'])}/{order.action.revision.name}")
    before = version(api, web)
    with pytest.raises(NotFound):
        repairer.repair(order)
    assert (recording_client.patches(), version(api, web)) == ([], before)


@pytest.mark.parametrize("kind", ["memory", "rollback"])
def test_a_repeated_order_gets_the_same_answer_and_writes_nothing(repairer, recording_client, api, web, kind):
    order = memory(web) if kind == "memory" else rollback(web, in_history(api, web))
    first = repairer.repair(order)
    settled = observed(api, live(api, web))
    writes = list(recording_client.writes)
    assert [repairer.repair(order) for _ in range(3)] == [first.model_copy(update={"sent": None})] * 3
    assert recording_client.writes == writes
    assert version(api, web) == settled["metadata"]["resourceVersion"]


def test_it_is_one_write_in_the_audit_log(repairer, audit, api, web):
    """Independent of our own records: the count is the API server's."""
    user = api.create(
        "/apis/authentication.k8s.io/v1/selfsubjectreviews",
        {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"},
    )
    audit.users.add(user["status"]["userInfo"]["username"])
    namespace = web["metadata"]["namespace"]
    order = memory(web)
    for _ in range(3):
        repairer.repair(order)

    def ours():
        writes = audit.writes(user["status"]["userInfo"]["username"], namespace)
        return [write for write in writes if write.manager == "prunella" and write.resource == "apps/deployments"]

    until(ours, 90, "the audit log has it")
    assert [(our.verb, our.made) for our in ours()] == [("patch", True)]


def test_the_answer_got_lost_and_the_retry_finds_its_own_write(repairer, recording_client, run_once_around, api, web):
    def lose():
        raise Unavailable("the connection broke after the write")

    run_once_around("after", lose)
    order = memory(web)
    with pytest.raises(Unavailable):
        repairer.repair(order)
    before = live(api, web)["metadata"]["generation"]
    done = repairer.repair(order)
    assert (live(api, web)["metadata"]["generation"], recording_client.patches()) == (
        before,
        [paths.workload(ref_of(web))],
    )
    assert "+        memory: 96Mi" in done.diff
    assert repairer.undo(order_of(done.undo, undo=True)).template_hash == template_hash(template_of(web))


def test_two_repairs_at_the_same_moment_are_one(repairer, kube, api, web):
    """Two workers carry out the same order, both read the object and both write: the API server lets one of them."""
    gate = threading.Barrier(2, timeout=10)

    class Together:
        def __getattr__(self, name):
            return getattr(kube, name)

        def json_patch(self, path, operations):
            gate.wait()
            return kube.json_patch(path, operations)

    hands = Together()
    order = repairer.announce(memory(web))

    def attempt(_):
        try:
            return Repairer(hands, EvidenceCollector(hands, 2), ()).repair(order).action_id
        except Conflict:
            return None

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(attempt, range(2)))
    (winner,) = [answer for answer in answers if answer]
    after = live(api, web)
    assert after["metadata"]["annotations"][labels.LAST_ACTION] == winner
    assert after["metadata"]["generation"] == web["metadata"]["generation"] + 1


# Only if everything still holds


def recreated(api, web):
    gone(api, paths.workload(ref_of(web)))
    return api.apply(a_deployment(web["metadata"]["namespace"], version=2))[0]


CHANGES = {
    "recreated": recreated,
    "a new release": new_release,
    "another repair": lambda api, web: api.patch(
        paths.workload(ref_of(web)), {"metadata": {"annotations": {labels.LAST_ACTION: "other-1"}}}
    ),
    "paused": lambda api, web: as_owner(api, web, paused=True),
    "opted out": lambda api, web: api.patch(
        paths.workload(ref_of(web)), {"metadata": {"labels": {"prunella.dev/ignore": "true"}}}
    ),
    "opted out by annotation": lambda api, web: api.patch(
        paths.workload(ref_of(web)), {"metadata": {"annotations": {"prunella.dev/ignore": "true"}}}
    ),
    "the namespace opted out": lambda api, web: api.patch(
        f"/api/v1/namespaces/{web['metadata']['namespace']}", {"metadata": {"labels": {"prunella.dev/ignore": "true"}}}
    ),
    "taken over by Argo CD": lambda api, web: api.patch(
        paths.workload(ref_of(web)), {"metadata": {"annotations": {"argocd.argoproj.io/tracking-id": "x"}}}
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_changed_since_the_diagnosis_is_left_alone(repairer, recording_client, api, web, change):
    orders = memory(web), rollback(web, in_history(api, web))
    CHANGES[change](api, web)
    settled = observed(api, live(api, web))
    for order in orders:
        with pytest.raises(ChangedSince):
            repairer.repair(order)
    assert live(api, web)["spec"] == settled["spec"]
    assert recording_client.writes == []


def test_a_scaling_between_our_read_and_our_write_makes_it_fail_and_the_retry_succeeds(
    repairer, recording_client, run_once_around, api, web
):
    run_once_around("before", lambda: as_owner(api, web, minReadySeconds=3))
    order = memory(web)
    with pytest.raises(Conflict):
        repairer.repair(order)
    assert (recording_client.patches(), limit(live(api, web))) == ([], "64Mi")
    repairer.repair(order)
    after = live(api, web)
    assert (limit(after), after["spec"]["minReadySeconds"]) == ("96Mi", 3)


def test_a_release_between_our_read_and_our_write_makes_it_fail_for_good(
    repairer, recording_client, run_once_around, api, web
):
    run_once_around("before", lambda: new_release(api, web))
    order = memory(web)
    with pytest.raises(Conflict):
        repairer.repair(order)
    with pytest.raises(ChangedSince):
        repairer.repair(order)
    assert (recording_client.patches(), limit(live(api, web))) == ([], "64Mi")


def test_a_re_creation_between_our_read_and_our_write_makes_it_fail_for_good(
    repairer, recording_client, run_once_around, api, web
):
    run_once_around("before", lambda: recreated(api, web))
    with pytest.raises(ChangedSince):
        repairer.repair(memory(web))
    assert recording_client.patches() == []


def test_a_deletion_between_our_read_and_our_write(repairer, recording_client, run_once_around, api, web):
    run_once_around("before", lambda: gone(api, paths.workload(ref_of(web))))
    with pytest.raises(NotFound):
        repairer.repair(memory(web))
    assert recording_client.patches() == []


# Refused


def test_what_the_api_server_finds_invalid_is_refused_in_its_words(repairer, recording_client, api, web):
    before = version(api, web)
    with pytest.raises(Refused, match=r"memory limit"):
        repairer.repair(memory(web, "8Mi"))
    assert (recording_client.patches(), version(api, web)) == ([], before)


def test_without_leave_to_keep_the_snapshot_nothing_is_written(repairer, recording_client, api, web):
    namespace = web["metadata"]["namespace"]
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}}
    api.create(
        f"/api/v1/namespaces/{namespace}/resourcequotas",
        {**quota, "spec": {"hard": {"count/controllerrevisions.apps": "0"}}},
    )
    path = f"/api/v1/namespaces/{namespace}/resourcequotas/none"
    until(lambda: (api.get(path).get("status") or {}).get("hard"), 90, "the quota counts", every=0.1)
    with pytest.raises(Forbidden, match="exceeded quota"):
        repairer.repair(memory(web))
    assert (recording_client.patches(), limit(live(api, web))) == ([], "64Mi")


# Taken back


def test_an_undo_restores_the_very_fields(repairer, api, web):
    done = repairer.repair(memory(web, request_to=parse_bytes("32Mi")))
    repairer.undo(order_of(done.undo, undo=True))
    after = live(api, web)
    assert after["spec"] == web["spec"]
    assert after["metadata"]["annotations"][labels.LAST_ACTION] == "uid-web-1-1-undo"


@pytest.mark.parametrize("amount", ["67108864", "64000Ki", "128M", "0.5Gi", "1e8"])
def test_an_undo_leads_back_to_the_same_replica_set_however_the_owner_wrote_the_amount(
    repairer, evidence_collector, api, namespace, amount
):
    web = released(api, a_deployment(namespace, memory=amount))
    done = repairer.repair(memory(web, "1Gi"))
    until(lambda: len(replica_sets(api, web)) == 2, 90, "the raise has its ReplicaSet")
    back = repairer.undo(order_of(done.undo, undo=True))
    assert back.template_hash == template_hash(template_of(web))
    until(lambda: 3 in replica_sets(api, web), 90, "the first ReplicaSet is the newest revision again")
    _, view, _ = evidence_collector.view(ref_of(web))
    (first,) = [set_ for set_ in replica_sets(api, web).values() if limit(set_) != "1Gi"]
    assert view.revision == first["metadata"]["labels"]["pod-template-hash"]


def test_an_undo_of_a_rollback_restores_the_template_even_when_the_history_is_gone(repairer, api, web):
    done = repairer.repair(rollback(web, in_history(api, web)))
    for set_ in replica_sets(api, web).values():
        api.delete(f"{paths.collection('ReplicaSet', set_['metadata']['namespace'])}/{set_['metadata']['name']}")
    repairer.undo(order_of(done.undo, undo=True))
    assert template_of(live(api, web)) == template_of(web)


def test_an_undo_whose_answer_was_lost_is_found_after_the_repair_of_the_next_incident(
    repairer, recording_client, api, web
):
    done = repairer.repair(rollback(web, in_history(api, web)))
    undo = order_of(done.undo, undo=True)
    written = repairer.undo(undo)
    until(lambda: undo.action_id in marks(api, web), 90, "the controller has copied the marks to the ReplicaSet")
    gone(api, paths.incidents(web["metadata"]["namespace"], "web-1"))
    back = live(api, web)
    following = rollback(back, in_history(api, web, min(replica_sets(api, web))))
    repairer.repair(following.model_copy(update={"action_id": "uid-web-2-1"}))
    patches = recording_client.patches()
    assert repairer.undo(undo).written_at == written.written_at
    assert recording_client.patches() == patches


def marks(api, web):
    """The ids of the actions that its ReplicaSets show."""
    return [item["metadata"]["annotations"].get(labels.LAST_ACTION) for item in replica_sets(api, web).values()]


@pytest.mark.parametrize("kind", ["memory", "rollback"])
def test_an_undo_is_refused_when_somebody_changed_the_template(repairer, recording_client, api, web, kind):
    order = memory(web) if kind == "memory" else rollback(web, in_history(api, web))
    done = repairer.repair(order)
    new_release(api, web)
    theirs = live(api, web)["spec"]
    with pytest.raises(ChangedSince):
        repairer.undo(order_of(done.undo, undo=True))
    assert (len(recording_client.patches()), live(api, web)["spec"]) == (1, theirs)


def test_an_undo_keeps_what_somebody_changed_beside_it(repairer, api, web):
    done = repairer.repair(memory(web))
    as_owner(api, web, minReadySeconds=7, replicas=0, paused=True)
    repairer.undo(order_of(done.undo, undo=True))
    after = live(api, web)["spec"]
    assert (after["minReadySeconds"], after["paused"], after["template"]) == (7, True, web["spec"]["template"])


def test_a_repeated_undo_gets_the_same_answer_and_writes_nothing(repairer, recording_client, api, web):
    done = repairer.repair(memory(web))
    undo = order_of(done.undo, undo=True)
    first = repairer.undo(undo)
    writes = list(recording_client.writes)
    assert repairer.undo(undo) == first.model_copy(update={"sent": None})
    assert recording_client.writes == writes


@pytest.mark.parametrize("kind", ["memory", "rollback"])
def test_a_late_duplicate_of_an_undone_action_does_nothing(repairer, recording_client, api, web, kind):
    """The template is unchanged since the decision, so only the last action shows it."""
    order = memory(web) if kind == "memory" else rollback(web, in_history(api, web))
    done = repairer.repair(order)
    repairer.undo(order_of(done.undo, undo=True))
    before = live(api, web)["spec"]
    with pytest.raises(ChangedSince, match="another repair"):
        repairer.repair(order)
    assert (len(recording_client.patches()), live(api, web)["spec"]) == (2, before)


def test_the_next_attempt_starts_where_the_undo_left_it(repairer, api, web):
    done = repairer.repair(memory(web))
    repairer.undo(order_of(done.undo, undo=True))
    repairer.repair(memory(live(api, web), "128Mi", number=2))
    assert limit(live(api, web)) == "128Mi"
