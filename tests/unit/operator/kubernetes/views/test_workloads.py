"""Views of workloads, and owners of objects."""

import pytest
from fakes.objects import a_deployment, a_replica_set, a_template

from prunella_operator.kubernetes.views.workloads import controller_of, is_workload, workload_view
from prunella_workflows.model.signal import OwnerRef

RESTARTED = {"kubectl.kubernetes.io/restartedAt": "2026-11-24T09:00:00Z"}


def test_the_revision_is_the_replica_set_with_exactly_this_template():
    sets = [a_replica_set(1), a_replica_set(2)]
    assert workload_view(a_deployment(a_template(2)), sets).revision == "hash2"
    assert workload_view(a_deployment(a_template(1)), sets).revision == "hash1"


def test_a_restart_is_another_revision_of_the_same_template():
    restarted = a_template(1, annotations=RESTARTED)
    sets = [a_replica_set(1), a_replica_set(2, restarted)]
    before, after = (workload_view(a_deployment(template), sets) for template in (a_template(1), restarted))
    assert (before.revision, after.revision) == ("hash1", "hash2")
    assert before.template_hash == after.template_hash


def test_no_revision_before_its_replica_set_is_made():
    assert workload_view(a_deployment(a_template(3)), [a_replica_set(1)]).revision == ""


def test_a_replica_set_with_the_same_memory_in_another_unit_is_the_one_the_controller_uses():
    assert workload_view(a_deployment(a_template(1, memory="67108864")), [a_replica_set(1)]).revision == "hash1"


def test_of_two_equal_replica_sets_the_newest_counts():
    assert (
        workload_view(a_deployment(a_template(1)), [a_replica_set(3, a_template(1)), a_replica_set(1)]).revision
        == "hash3"
    )


def test_a_deployment_that_says_nothing_about_itself():
    raw = {"kind": "Deployment", "metadata": {"name": "web", "namespace": "shop", "uid": "u"}}
    view = workload_view(raw)
    assert (view.replicas, view.available_replicas, view.revision, view.containers) == (1, 0, "", ())
    assert not view.complete


@pytest.mark.parametrize(
    ("status", "complete"),
    [
        ({}, True),
        ({"observedGeneration": 0}, False),
        ({"updatedReplicas": 1}, False),
        ({"availableReplicas": 1}, False),
        ({"replicas": 3}, False),
    ],
)
def test_complete_means_all_of_it_and_nothing_else(status, complete):
    assert workload_view(a_deployment(status=status)).complete is complete


@pytest.mark.parametrize(
    ("strategy", "updated", "settled"),
    [
        ({}, 3, True),
        ({}, 2, False),
        ({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}, 2, True),
        ({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}, 1, False),
        ({"type": "OnDelete"}, 1, True),
    ],
)
def test_a_rollout_settles_where_its_owner_holds_it(strategy, updated, settled):
    raw = a_deployment(replicas=3, updateStrategy=strategy, status={"updatedReplicas": updated})
    view = workload_view({**raw, "kind": "StatefulSet"})
    assert (view.settled, view.complete) == (settled, updated == 3)


@pytest.mark.parametrize(("pod", "held"), [("web-2", True), ("web-3", False), ("web-12", False)])
def test_a_partition_holds_the_first_pods(pod, held):
    spec = {"updateStrategy": {"rollingUpdate": {"partition": 1}}, "ordinals": {"start": 2}}
    assert workload_view({**a_deployment(replicas=9, **spec), "kind": "StatefulSet"}).is_held(pod) is held


def test_a_rollout_past_its_deadline_says_so():
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "too long"}
    view = workload_view(a_deployment(status={"conditions": [late]}))
    assert (view.progress_deadline_exceeded, view.message) == (True, "too long")


def test_a_refusal_of_pods_is_redacted():
    failed = {"type": "ReplicaFailure", "status": "True", "message": "a webhook saw password=hunter2"}
    view = workload_view(a_deployment(status={"conditions": [failed]}))
    assert view.create_failure == "a webhook saw password=***"


def test_annotations_that_may_hold_secrets_stay_outside():
    marks = {"prunella.dev/ignore": "true", "argocd.argoproj.io/tracking-id": "x", "example.org/password": "hunter2"}
    view = workload_view(a_deployment(annotations=marks))
    assert sorted(view.annotations) == ["argocd.argoproj.io/tracking-id", "prunella.dev/ignore"]


def test_a_daemon_set_counts_nodes():
    raw = {
        "kind": "DaemonSet",
        "metadata": {"name": "agent", "namespace": "shop", "uid": "u", "generation": 1},
        "spec": {"template": a_template()},
        "status": {
            "observedGeneration": 1,
            "desiredNumberScheduled": 3,
            "currentNumberScheduled": 3,
            "updatedNumberScheduled": 3,
            "numberReady": 3,
            "numberAvailable": 2,
        },
    }
    view = workload_view(raw)
    assert (view.replicas, view.available_replicas, view.complete) == (3, 2, False)


def test_init_containers_and_sidecars_are_containers_of_their_own_list():
    sidecar = {"name": "proxy", "image": "proxy:1", "restartPolicy": "Always"}
    setup = {"name": "setup", "image": "setup:1", "resources": {"limits": {"memory": "1Gi"}}}
    view = workload_view(a_deployment(a_template(initContainers=[setup, sidecar])))
    assert [(container.name, container.init, container.index) for container in view.containers] == [
        ("setup", True, 0),
        ("proxy", True, 1),
        ("app", False, 0),
    ]
    assert view.containers[0].memory_limit == 1 << 30
    assert (view.containers[1].memory_limit, view.containers[1].memory_request) == (None, None)


def test_environment_variables_are_names_only():
    secret = [{"name": "PASSWORD", "value": "hunter2"}, {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s"}}}]
    view = workload_view(a_deployment(a_template(env=secret)))
    assert view.containers[0].environment == ("PASSWORD", "KEY")
    assert "hunter2" not in view.model_dump_json()


@pytest.mark.parametrize(
    ("api_version", "kind", "known"),
    [
        ("apps/v1", "Deployment", True),
        ("apps/v1beta1", "StatefulSet", True),
        ("batch/v1", "Job", True),
        ("argoproj.io/v1alpha1", "Rollout", False),
        ("apps.kruise.io/v1beta1", "StatefulSet", False),
        ("v1", "Node", False),
    ],
)
def test_owners_are_known_by_group_and_kind(api_version, kind, known):
    assert is_workload(OwnerRef(api_version=api_version, kind=kind, name="x", uid="u")) is known


@pytest.mark.parametrize(
    ("api_version", "custom"),
    [("monitoring.coreos.com/v1", True), ("apps.kruise.io/v1beta1", True), ("apps/v1", False), ("v1", False)],
)
def test_custom_resources_own_it_even_if_they_do_not_control_it(api_version, custom):
    raw = a_deployment()
    raw["metadata"]["ownerReferences"] = [{"apiVersion": api_version, "kind": "Shop", "name": "main", "uid": "u"}]
    view = workload_view(raw)
    assert [str(owner) for owner in view.custom_owners] == (["Shop/main"] if custom else [])
    assert view.ownership == (f"Deployment/web belongs to Shop/main ({api_version})." if custom else "")


def test_an_owner_that_does_not_control_is_none():
    plain = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x", "uid": "u"}
    assert controller_of({"metadata": {"ownerReferences": [plain]}}) is None
    assert controller_of({"metadata": {}}) is None


def test_the_hosts_that_probes_ask_instead_of_the_pod():
    template = a_template()
    template["spec"]["containers"][0] |= {
        "readinessProbe": {"httpGet": {"host": "db.example.org", "port": 80}},
        "livenessProbe": {"tcpSocket": {"host": "127.0.0.1", "port": 80}},
        "startupProbe": {"httpGet": {"port": 80}},
    }
    assert workload_view(a_deployment(template)).probe_hosts == ("db.example.org",)
