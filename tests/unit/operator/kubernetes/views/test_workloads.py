"""Raw objects to views."""

import copy

import pytest
from fakes.objects import LONG_AGO, a_deployment, a_pod, a_replica_set, a_template, at

from prunella_operator.kubernetes.views.workloads import (
    controller_of,
    is_workload,
    pod_view,
    revision_number,
    template_hash,
    time_of,
    workload_view,
)
from prunella_workflows.model.quantity import parse_bytes
from prunella_workflows.model.signal import OwnerRef

RESTARTED = {"kubectl.kubernetes.io/restartedAt": "2026-11-24T09:00:00Z"}


def changed(change):
    template = a_template()
    change(template["spec"]["containers"][0], template)
    return template


@pytest.mark.parametrize(
    "same",
    [
        pytest.param(a_template(annotations=RESTARTED), id="a restart"),
        pytest.param(a_template(labels={"pod-template-hash": "abc"}), id="a ReplicaSet's own label"),
        pytest.param(a_template(memory="65536Ki"), id="the same memory in another unit"),
        pytest.param(a_template(memory="67108864"), id="the same memory in bytes"),
        pytest.param({**a_template(), "spec": dict(reversed(a_template()["spec"].items()))}, id="another key order"),
    ],
)
def test_the_same_release_has_the_same_hash(same):
    assert template_hash(same) == template_hash(a_template())


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(a_template(2), id="image"),
        pytest.param(a_template(memory="65Mi"), id="memory"),
        pytest.param(a_template(labels={"tier": "front"}), id="a label"),
        pytest.param(a_template(annotations={"checksum/config": "1"}), id="an annotation"),
        pytest.param(a_template(env=[{"name": "A", "value": "1"}]), id="an environment variable"),
        pytest.param(changed(lambda c, _: c["resources"].pop("requests")), id="a request that is gone"),
        pytest.param(changed(lambda c, _: c["resources"]["limits"].update(cpu="1")), id="another limit"),
        pytest.param(a_template(hostNetwork=True), id="the pod's spec"),
    ],
)
def test_another_release_has_another_hash(other):
    assert template_hash(other) != template_hash(a_template())


def test_hashing_changes_nothing():
    template = a_template(memory="65536Ki", annotations=RESTARTED)
    before = copy.deepcopy(template)
    template_hash(template)
    assert template == before


@pytest.mark.parametrize("broken", ["lots", "", None, 5])
def test_a_quantity_that_is_none_is_hashed_as_it_stands(broken):
    assert template_hash(a_template(memory=broken)) == template_hash(a_template(memory=broken))


# The current revision is the ReplicaSet with exactly this template: here a restart does count, as its pods are new.


def test_the_revision_is_the_replica_set_with_exactly_this_template():
    sets = [a_replica_set(1), a_replica_set(2)]
    assert workload_view(a_deployment(a_template(2)), sets).revision == "hash2"
    assert workload_view(a_deployment(a_template(1)), sets).revision == "hash1"


def test_a_restart_is_another_revision_of_the_same_template():
    restarted = a_template(1, annotations=RESTARTED)
    sets = [a_replica_set(1), a_replica_set(2, restarted)]
    before, after = (workload_view(a_deployment(one), sets) for one in (a_template(1), restarted))
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


def test_a_rollout_past_its_deadline_says_so():
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "too long"}
    view = workload_view(a_deployment(status={"conditions": [late]}))
    assert (view.progress_deadline_exceeded, view.message) == (True, "too long")


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


def test_a_ready_pod():
    view = pod_view(a_pod())
    assert (view.ready, view.ready_since, view.revision, view.live) == (True, at(LONG_AGO), "hash1", True)
    assert view.memory_limits == {"app": parse_bytes("64Mi")}


def test_a_pod_that_is_not_ready_has_no_moment_of_readiness():
    assert pod_view(a_pod(ready_since=None)).ready_since is None


def test_a_pod_on_its_way_out_is_not_live():
    assert not pod_view(a_pod(deletionTimestamp=LONG_AGO)).live


def ended(reason, code, at=LONG_AGO):
    return {"terminated": {"reason": reason, "exitCode": code, "startedAt": at, "finishedAt": at, "message": "m"}}


@pytest.mark.parametrize(
    ("status", "reasons", "running"),
    [
        pytest.param({"state": ended("OOMKilled", 137)}, ["OOMKilled"], False, id="killed a moment ago"),
        pytest.param(
            {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": ended("OOMKilled", 137)},
            ["OOMKilled"],
            False,
            id="in back-off after it",
        ),
        pytest.param(
            {"state": {"running": {"startedAt": LONG_AGO}}, "lastState": ended("OOMKilled", 137)},
            ["OOMKilled"],
            True,
            id="runs again after it",
        ),
        pytest.param(
            {"state": ended("Error", 137), "lastState": ended("OOMKilled", 137)},
            ["Error", "OOMKilled"],
            False,
            id="twice, newest first",
        ),
        pytest.param({"state": {}}, [], False, id="a state the kubelet did not fill in yet"),
    ],
)
def test_states_of_a_container(status, reasons, running):
    container = pod_view(a_pod(status={"lastState": {}, **status})).containers[0]
    assert [termination.reason for termination in container.terminations] == reasons
    assert (container.running_since is not None) is running


def test_init_container_statuses_come_first():
    raw = a_pod()
    raw["status"]["initContainerStatuses"] = [
        {
            "name": "setup",
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
            "restartCount": 4,
        }
    ]
    first, second = pod_view(raw).containers
    assert (first.name, first.init, first.waiting, first.message, first.restarts) == (
        "setup",
        True,
        "CrashLoopBackOff",
        "back-off",
        4,
    )
    assert (second.name, second.init) == ("app", False)


def test_a_pod_that_cannot_be_scheduled_says_why():
    raw = a_pod(ready_since=None)
    raw["status"]["conditions"] = [{"type": "PodScheduled", "status": "False", "message": "no node fits"}]
    assert pod_view(raw).unschedulable == "no node fits"


def test_a_pod_without_any_status():
    view = pod_view({"metadata": {"name": "p", "uid": "u"}})
    assert (view.phase, view.ready, view.containers, view.created_at) == ("", False, (), None)


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


def test_an_owner_that_does_not_control_is_none():
    plain = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x", "uid": "u"}
    assert controller_of({"metadata": {"ownerReferences": [plain]}}) is None
    assert controller_of({"metadata": {}}) is None


def test_time_of_nothing_is_none():
    assert (time_of(None), time_of("")) == (None, None)


@pytest.mark.parametrize(("noted", "number"), [("7", 7), ("", 0), ("-1", 0), ("seven", 0), ("9" * 5000, 0)])
def test_the_number_of_a_revision_is_what_its_controller_noted_or_none(noted, number):
    annotations = {"deployment.kubernetes.io/revision": noted}
    assert revision_number({"metadata": {"annotations": annotations}}) == number
