"""StatefulSets and DaemonSets are repaired as Deployments are; pods and Jobs are only reported."""

import pytest
from support.looks import limits, play, template

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480, func_only=True)]


def uids(scene):
    return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in scene.api.pods(scene.namespace)}


@play("stateful-release", "stateful-recreated", "daemon-release", "autoscaled")
def test_the_last_good_template_is_back(scene):
    (attempt,) = scene.closed()["status"]["attempts"]
    assert (attempt["action"], attempt["verdict"]) == ("RestoreTemplate", "Healed")
    assert template(scene.live()) == template(scene.first)


@play("stateful-release")
def test_the_healthy_pod_of_a_stateful_set_is_untouched(scene):
    scene.closed()
    name = f"{scene.case.workload}-0"
    assert uids(scene)[name] == scene.pods[name]


@play("stateful-release", "stateful-oom", "stateful-recreated")
def test_only_the_broken_pod_is_deleted_and_by_uid(scene, audit):
    scene.closed()
    (deleted,) = [one for one in scene.attempted() if one.verb == "delete"]
    assert deleted.made
    assert deleted.request["preconditions"]["uid"] not in uids(scene).values()


@play("stateful-oom-twice")
def test_an_undo_lets_a_stateful_set_go_on_too(scene):
    first, second = scene.closed()["status"]["attempts"]
    assert (first["verdict"], first["undone"], second["verdict"]) == ("NotHealed", True, "Healed")
    assert limits(scene.live()) == {"server": second["parameters"]["to"]}


@play("stateful-oom")
def test_a_stateful_set_gets_its_memory(scene):
    scene.closed()
    assert limits(scene.live()) == {"server": "128Mi"}
    wanted, status = scene.live()["spec"]["replicas"], scene.live()["status"]
    assert (status["updatedReplicas"], status["availableReplicas"]) == (wanted, wanted)


@play("stateful-recreated")
def test_snapshots_outlive_a_stateful_set(scene):
    incident = scene.closed()
    assert scene.live()["metadata"]["uid"] != scene.first["metadata"]["uid"]
    assert incident["status"]["attempts"][0]["parameters"]["to"].startswith("snapshot recommendations-prunella-")


@play("bare-pod", "job")
def test_what_is_only_reported_is_untouched(scene):
    incident = scene.closed()
    assert incident["status"]["target"] == f"{scene.case.kind}/{scene.case.workload}"
    live, broken = ({**one["spec"], "nodeName": "any"} for one in (scene.live(), scene.broken))
    assert live == broken, "a pod gets its node, and nothing else"
    assert "exit code 1" in incident["status"]["message"]


@play("autoscaled")
def test_replicas_stay_the_autoscalers(scene):
    scene.closed()
    live = scene.live()
    assert live["spec"]["replicas"] == scene.broken["spec"]["replicas"]
    fields = {managedfield["manager"]: managedfield["fieldsV1"] for managedfield in live["metadata"]["managedFields"]}
    owners = {manager for manager, owned in fields.items() if "f:replicas" in owned.get("f:spec", {})}
    assert "prunella" not in owners
