"""One change, made once: the requests to the API server. Integration tests cover a real server's responses."""

import copy

import pytest
from fakes.kube import FakeKube, failing
from fakes.objects import WEB, a_cluster, a_deployment, a_pod, a_replica_set, a_snapshot, a_template, announced

from prunella_operator.activities.evidence.collector import EvidenceCollector
from prunella_operator.activities.repair.repairer import Repairer
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.digest import digest
from prunella_operator.kubernetes.views.templates import template_hash, template_of
from prunella_workflows.contracts.healing import RepairOrder, Sent
from prunella_workflows.model.errors import ChangedSince, Conflict, Held, NotFound, Refused
from prunella_workflows.model.incident import Approval, IncidentRef
from prunella_workflows.model.labels import CHANGE_CAUSE, LAST_ACTION, REPAIR_SLOT
from prunella_workflows.model.outcome import Cause
from prunella_workflows.model.plan import Precondition, RestoreTemplate, SetMemory
from prunella_workflows.model.workload import RevisionRef

MI = 1 << 20
INCIDENT = IncidentRef(namespace="shop", name="web-1", uid="uid-web-1")
OTHER = IncidentRef(namespace="shop", name="api-1", uid="uid-api-1")
NEXT = IncidentRef(namespace="shop", name="web-2", uid="uid-web-2")
NEVER = {"start": "00:00", "end": "00:00"}
PATH = paths.workload(WEB)


@pytest.fixture
def kube():
    deployment = a_deployment(a_template(2))
    labels = {"prunella.dev/heal": "enabled"}
    kube = a_cluster(FakeKube(), deployment, replica_sets=[a_replica_set(1), a_replica_set(2)], labels=labels)
    announced(kube, INCIDENT, "uid-web-1-1")
    return kube


@pytest.fixture
def repairer(kube):
    return Repairer(kube, EvidenceCollector(kube, 30), ("prunella-system",))


def precondition(template=None, **values):
    return Precondition(**{"uid": WEB.uid, "template_hash": template_hash(template or a_template(2)), **values})


def memory(to=96 * MI, **values):
    action = SetMemory(
        **{
            "target": WEB,
            "require": precondition(),
            "container": "app",
            "limit_from": 64 * MI,
            "limit_to": to,
            "request_from": 16 * MI,
            "request_to": 16 * MI,
            **values,
        }
    )
    return RepairOrder(incident=INCIDENT, action_id="uid-web-1-1", action=action)


def rollback(source="ReplicaSet", name="web-hash1", digest=None):
    ref = RevisionRef(source=source, name=name, template_hash=digest or template_hash(a_template(1)))
    action = RestoreTemplate(target=WEB, require=precondition(), revision=ref, description="revision 1")
    return RepairOrder(incident=INCIDENT, action_id="uid-web-1-1", action=action)


def operations(kube):
    ((_, path, body),) = kube.of("json_patch")
    assert path == PATH
    return {operation["path"]: operation for operation in body}


def live(kube):
    return kube.objects[PATH]


def test_the_pods_are_looked_at_once_more_before_a_rollout_takes_them_away(repairer, kube):
    live(kube)["spec"]["strategy"] = {"type": "Recreate"}
    kube.put(f"{paths.core('shop', 'pods')}/web-a", a_pod(revision=2))
    with pytest.raises(ChangedSince, match="guard Disruption blocks now"):
        repairer.repair(memory())
    assert kube.of("json_patch") == []


def test_a_memory_raise_touches_that_limit_and_marks_of_ours(repairer, kube):
    done = repairer.repair(memory())
    touched = {path for path, operation in operations(kube).items() if operation["op"] != "test"}
    assert touched == {
        "/spec/template/spec/containers/0/resources/limits/memory",
        "/metadata/annotations",
        "/metadata/annotations/prunella.dev~1last-action",
        "/metadata/annotations/prunella.dev~1last-action-at",
        "/metadata/annotations/prunella.dev~1last-change",
        "/metadata/annotations/prunella.dev~1before",
        "/metadata/annotations/prunella.dev~1after",
        "/metadata/annotations/prunella.dev~1change-cause-before",
        "/metadata/annotations/kubernetes.io~1change-cause",
    }
    assert done.template_hash == template_hash(a_template(2, memory="96Mi"))
    assert "+        memory: 96Mi" in done.diff


@pytest.mark.parametrize("cause", ["deploy 2", None])
def test_the_new_revision_names_its_cause_and_the_undo_restores_that_of_the_owner(repairer, kube, cause):
    live(kube)["metadata"]["annotations"] = {CHANGE_CAUSE: cause} if cause else {}
    done = repairer.repair(memory())
    ours = "Prunella: set the memory limit of container app from 64Mi to 96Mi"
    assert live(kube)["metadata"]["annotations"][CHANGE_CAUSE] == ours
    repairer.undo(RepairOrder(incident=INCIDENT, action_id="uid-web-1-1-undo", action=done.undo))
    assert live(kube)["metadata"]["annotations"][CHANGE_CAUSE] == (cause or "")


def test_annotations_that_are_there_stay(repairer, kube):
    live(kube)["metadata"]["annotations"] = {"owner": "team"}
    repairer.repair(memory())
    assert "/metadata/annotations" not in operations(kube)
    assert live(kube)["metadata"]["annotations"]["owner"] == "team"


def test_the_patch_tests_that_nothing_happened_since_it_was_read(repairer, kube):
    repairer.repair(memory())
    tests = {path: operation["value"] for path, operation in operations(kube).items() if operation["op"] == "test"}
    assert tests == {
        "/metadata/uid": WEB.uid,
        "/metadata/generation": 1,
        "/spec/template/spec/containers/0/name": "app",
    }


def test_the_answer_names_what_was_read_and_the_patch_that_was_sent(repairer, kube):
    done = repairer.repair(memory())
    ((_, _, patch),) = kube.of("json_patch")
    assert done.sent == Sent(read="generation 1", patch=digest(patch))


def test_a_request_is_raised_only_when_the_plan_says_so(repairer, kube):
    repairer.repair(memory(request_to=32 * MI))
    assert live(kube)["spec"]["template"]["spec"]["containers"][0]["resources"] == {
        "limits": {"memory": "96Mi"},
        "requests": {"memory": "32Mi"},
    }


def test_an_init_container_is_found_in_its_own_list(repairer, kube):
    setup = {"name": "setup", "resources": {"limits": {"memory": "64Mi"}}}
    template = a_template(2, initContainers=[{"name": "first"}, setup])
    live(kube)["spec"]["template"] = template
    repairer.repair(memory(container="setup", init=True, require=precondition(template)))
    assert "/spec/template/spec/initContainers/1/resources/limits/memory" in operations(kube)


def test_a_rollback_replaces_the_template_and_nothing_else(repairer, kube):
    repairer.repair(rollback())
    assert live(kube)["spec"]["template"] == a_template(1)
    assert live(kube)["spec"]["replicas"] == 2


def test_what_was_there_is_kept_before_it_is_replaced(repairer, kube):
    repairer.repair(rollback())
    assert [verb for verb, *_ in kube.writes if verb != "merge_patch"] == ["create", "json_patch"]
    kept = kube.of("create")[0][2]
    assert kept["data"]["template"] == a_template(2)


def test_a_repeated_order_is_answered_from_the_object(repairer, kube):
    first = repairer.repair(memory())
    writes = len(kube.writes)
    assert repairer.repair(memory()) == first.model_copy(update={"sent": None})
    assert len(kube.writes) == writes


def test_another_order_under_the_same_id_is_not_taken_for_made(repairer, kube):
    repairer.repair(memory())
    with pytest.raises(ChangedSince, match="another change: set the memory limit of container app from 64Mi to 96Mi"):
        repairer.repair(rollback())
    assert len(kube.of("json_patch")) == 1


def test_a_repeated_order_is_answered_even_when_its_snapshot_is_gone(repairer, kube):
    first = repairer.repair(memory())
    del kube.objects[kube.of("create")[0][1]]
    again = repairer.repair(memory())
    assert again == first.model_copy(update={"diff": "", "sent": None})


def test_a_release_after_a_write_whose_answer_was_lost_is_not_taken_for_the_repair(repairer, kube):
    """A repeated order must not adopt the owner's template: its undo would overwrite their release."""
    first = repairer.repair(memory())
    kube.objects[PATH]["spec"]["template"] = a_template(3)
    again = repairer.repair(memory())
    assert again == first.model_copy(update={"diff": "", "sent": None})
    with pytest.raises(ChangedSince, match=r"template .* was changed"):
        repairer.undo(RepairOrder(incident=INCIDENT, action_id="uid-web-1-1-undo", action=again.undo))
    assert kube.objects[PATH]["spec"]["template"] == a_template(3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lambda d: d["metadata"].update(uid="other"), "recreated", id="recreated"),
        pytest.param(lambda d: d["spec"].update(template=a_template(3)), "template .* was changed", id="template"),
        pytest.param(
            lambda d: d["metadata"].update(annotations={LAST_ACTION: "x-1"}),
            r"another repair \(x-1\)",
            id="repair",
        ),
        pytest.param(lambda d: d["spec"].update(paused=True), "paused", id="paused"),
        pytest.param(
            lambda d: d["metadata"]["labels"].update({"prunella.dev/ignore": "true"}), "OptedOut", id="ignored"
        ),
        pytest.param(lambda d: d["metadata"].update(deletionTimestamp="now"), "deleted", id="on its way out"),
        pytest.param(
            lambda d: d["metadata"]["labels"].update({"app.kubernetes.io/managed-by": "Helm"}),
            "Helm",
            id="owned by Helm",
        ),
    ],
)
def test_nothing_is_written_when_it_changed_since(repairer, kube, change, message):
    change(live(kube))
    with pytest.raises(ChangedSince, match=message):
        repairer.repair(memory())
    assert kube.writes == []


def test_nothing_is_written_when_the_permission_to_heal_was_taken_back_since(repairer, kube):
    kube.put("/api/v1/namespaces/shop", {"metadata": {"labels": {}}})
    with pytest.raises(ChangedSince, match="Mode"):
        repairer.repair(memory())
    assert kube.writes == []


def the_policy_becomes(kube, **spec):
    kube.put(f"{paths.policies('shop')}/new", {"spec": spec})


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        pytest.param({"causes": ["bad_release"]}, ChangedSince, "does not allow repairs of pod_oom_killed", id="cause"),
        pytest.param({"actions": ["Restart"]}, ChangedSince, "does not allow SetMemory", id="action"),
        pytest.param({"approval": {"when": "Always"}}, ChangedSince, "needs approval", id="approval"),
        pytest.param({"maintenanceWindows": [NEVER]}, Held, "maintenance window", id="hours"),
        pytest.param({"budgets": {"minimumHealthyPercent": 100}}, ChangedSince, "Only 0 % of the", id="a storm"),
        pytest.param({"limits": {"memoryMax": "80Mi"}}, ChangedSince, "96Mi is more than the policy", id="limit"),
    ],
)
def test_nothing_is_written_when_the_policy_forbids_it_by_now(repairer, kube, spec, error, message):
    live(kube)["status"]["availableReplicas"] = 1
    the_policy_becomes(kube, **spec)
    with pytest.raises(error, match=message):
        repairer.repair(memory().model_copy(update={"cause": Cause.POD_OOM_KILLED}))
    assert kube.writes == []


@pytest.mark.parametrize(
    ("approvers", "allowed"), [(["alice"], True), (["bob"], False), (["group:sre"], True), (["group:dev"], False)]
)
def test_who_agreed_must_still_be_one_who_may(repairer, kube, approvers, allowed):
    the_policy_becomes(kube, approval={"when": "Always", "approvers": approvers})
    order = memory().model_copy(update={"answer": Approval(decision="Approved", by="alice", groups=("sre",))})
    if allowed:
        repairer.repair(order)
    else:
        with pytest.raises(
            ChangedSince, match=f"guard Approval blocks now: alice may not approve here; {approvers[0]}"
        ):
            repairer.repair(order)
    assert bool(kube.of("json_patch")) is allowed


def test_another_repair_of_the_namespace_that_runs_by_now_makes_it_wait(repairer, kube):
    other = RepairOrder(incident=OTHER, action_id="uid-api-1-1", action=memory().action)
    announced(kube, OTHER, other.action_id, labels={REPAIR_SLOT: "2026-11-24T12"})
    the_policy_becomes(kube, budgets={"concurrentPerNamespace": 1})
    with pytest.raises(Held, match="running in this namespace"):
        repairer.repair(memory())
    assert kube.writes == []


def test_a_write_that_is_refused_gives_its_turn_back(repairer, kube):
    kube.before = failing(Refused("exceeded quota"), method="PATCH", part="/deployments/")
    with pytest.raises(Refused):
        repairer.repair(memory())
    assert REPAIR_SLOT not in kube.objects[paths.incidents("shop", "web-1")]["metadata"]["labels"]


def test_an_undo_needs_no_turn(repairer, kube):
    done = repairer.repair(memory())
    kube.writes.clear()
    repairer.undo(RepairOrder(incident=INCIDENT, action_id="uid-web-1-1-undo", action=done.undo))
    assert not kube.of("merge_patch")


def test_a_restart_meanwhile_does_not_stop_a_repair(repairer, kube):
    live(kube)["spec"]["template"] = a_template(2, annotations={"kubectl.kubernetes.io/restartedAt": "now"})
    repairer.repair(memory())
    assert live(kube)["spec"]["template"]["metadata"]["annotations"] == {"kubectl.kubernetes.io/restartedAt": "now"}


def test_a_refusal_of_a_moved_object_is_a_conflict_and_of_one_that_stands_still_final(repairer, kube):
    def move(method, path):
        if method == "PATCH":
            live(kube)["metadata"]["generation"] += 1

    kube.before = move
    with pytest.raises(Conflict, match="changed while it was being written"):
        repairer.repair(memory())
    kube.before = failing(Refused("limit below request"), method="PATCH", part="/deployments/")
    with pytest.raises(Refused, match="limit below request"):
        repairer.repair(memory())


@pytest.mark.parametrize(
    "order",
    [
        pytest.param(rollback(name="web-hash9"), id="a ReplicaSet that is gone"),
        pytest.param(rollback(digest="0" * 16), id="a ReplicaSet with another template"),
        pytest.param(rollback("Snapshot", "web-prunella-x"), id="a snapshot that is gone"),
    ],
)
def test_a_revision_that_is_not_what_it_was_is_not_restored(repairer, kube, order):
    with pytest.raises(NotFound):
        repairer.repair(order)
    assert not kube.of("json_patch")


def test_an_undo_writes_the_very_fields_back(repairer, kube):
    before = copy.deepcopy(live(kube)["spec"])
    done = repairer.repair(memory(request_to=32 * MI))
    repairer.undo(RepairOrder(incident=INCIDENT, action_id="uid-web-1-1-undo", action=done.undo))
    assert live(kube)["spec"] == before


@pytest.mark.parametrize("action_id", ["uid-web-1-1-undo", "-undo", "uid-web-1-1"])
def test_what_is_called_an_undo_writes_nothing_where_no_repair_was_made(repairer, kube, action_id):
    forged = RepairOrder(incident=INCIDENT, action_id=action_id, action=memory().action)
    with pytest.raises(ChangedSince):
        repairer.undo(forged)
    assert kube.writes == []


def test_an_undo_is_of_the_repair_that_the_object_bears_and_of_no_other(repairer, kube):
    done = repairer.repair(memory())
    with pytest.raises(ChangedSince, match="is not the undo of a repair"):
        repairer.undo(RepairOrder(incident=INCIDENT, action_id="uid-web-1-2-undo", action=done.undo))


def test_an_undo_whose_answer_was_lost_is_found_after_the_repair_of_the_next_incident(repairer, kube):
    done = repairer.repair(rollback())
    undo = RepairOrder(incident=INCIDENT, action_id="uid-web-1-1-undo", action=done.undo)
    written = repairer.undo(undo)
    keep_marks(kube, a_template(2))
    del kube.objects[paths.incidents("shop", "web-1")]
    announced(kube, NEXT, "uid-web-2-1")
    again = rollback().action.model_copy(update={"require": precondition(last_action="uid-web-1-1-undo")})
    repairer.repair(RepairOrder(incident=NEXT, action_id="uid-web-2-1", action=again))
    writes = len(kube.of("json_patch"))
    assert repairer.undo(undo).written_at == written.written_at
    assert len(kube.of("json_patch")) == writes


def test_an_undo_that_was_not_made_before_the_next_repair_is_not_made_after_it(repairer, kube):
    done = repairer.repair(rollback())
    keep_marks(kube, a_template(1))
    live(kube)["metadata"]["annotations"]["prunella.dev/last-action"] = "uid-web-2-1"
    with pytest.raises(ChangedSince, match="by another repair"):
        repairer.undo(RepairOrder(incident=INCIDENT, action_id="uid-web-1-1-undo", action=done.undo))


def keep_marks(kube, template):
    """Copy the Deployment's annotations to the ReplicaSet of this template, as its controller does."""
    for path, obj in kube.objects.items():
        if "/replicasets/" in path and template_hash(template_of(obj)) == template_hash(template):
            obj["metadata"]["annotations"] = dict(live(kube)["metadata"]["annotations"])


def test_an_undo_of_a_rollback_takes_the_snapshot(repairer, kube):
    done = repairer.repair(rollback())
    for name in [obj for obj in kube.objects if "/replicasets/" in obj]:
        del kube.objects[name]
    repairer.undo(RepairOrder(incident=INCIDENT, action_id="uid-web-1-1-undo", action=done.undo))
    assert live(kube)["spec"]["template"] == a_template(2)


@pytest.mark.parametrize("order", [memory(to=192 * MI), rollback()], ids=["raise", "rollback"])
def test_what_replaces_an_earlier_repair_is_undone_to_what_was_there_before_that(repairer, kube, order):
    owner = a_snapshot(a_template(7))
    kube.put(paths.snapshots("shop", owner["metadata"]["name"]), owner)
    digest = template_hash(a_template(7))
    ref = RevisionRef(source="Snapshot", name=owner["metadata"]["name"], template_hash=digest)
    action = order.action.model_copy(update={"undo_to": ref})
    done = repairer.repair(order.model_copy(update={"action": action}))
    assert live(kube)["metadata"]["annotations"]["prunella.dev/before"] == ref.name
    repairer.undo(RepairOrder(incident=INCIDENT, action_id="uid-web-1-1-undo", action=done.undo))
    assert live(kube)["spec"]["template"] == a_template(7)


def test_guards_do_not_stop_an_undo_somebodys_change_does(repairer, kube):
    done = repairer.repair(memory())
    live(kube)["metadata"]["labels"]["prunella.dev/ignore"] = "true"
    undo = RepairOrder(incident=INCIDENT, action_id="uid-web-1-1-undo", action=done.undo)
    live(kube)["spec"]["template"] = a_template(4)
    with pytest.raises(ChangedSince):
        repairer.undo(undo)
    live(kube)["spec"]["template"] = a_template(2, memory="96Mi")
    assert repairer.undo(undo).template_hash == template_hash(a_template(2))


def test_a_preview_writes_nothing_and_is_the_diff_of_the_repair(repairer, kube):
    shown = repairer.preview(memory().action)
    assert kube.writes == []
    assert repairer.repair(memory()).diff == shown


def test_a_rollback_to_a_snapshot(repairer, kube):
    kept = a_snapshot(a_template(1))
    name = kept["metadata"]["name"]
    kube.put(paths.snapshots("shop", name), kept)
    repairer.repair(rollback("Snapshot", name))
    assert live(kube)["spec"]["template"] == a_template(1)
