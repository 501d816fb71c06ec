"""Faults that look alike and want different answers."""

import pytest
from support.looks import play, template

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480, func_only=True)]


@play("secret-deleted", "says-no", "flapping")
def test_an_innocent_release_is_left_alone(scene):
    status = scene.closed()["status"]
    assert scene.live()["spec"] == scene.broken["spec"]
    assert not status.get("attempts")
    assert "good before" in status["message"]
    assert status["nextStep"]


@play("secret-deleted")
def test_the_missing_secret_is_named_and_its_value_is_not(scene):
    text = str(scene.closed()["status"])
    assert 'secret \\"token\\" not found' in text.replace('secret "token" not found', 'secret \\"token\\" not found')
    assert "hunter2" not in text


@play("secret-deleted")
def test_the_replica_that_still_serves_is_untouched(scene):
    scene.closed()
    left = {pod["metadata"]["uid"] for pod in scene.api.pods(scene.namespace)} & set(scene.pods.values())
    assert len(left) == 1


@play("dependency-gone")
def test_the_dependency_is_named_and_the_pods_own_words_are_shown(scene):
    status = scene.closed()["status"]
    assert "Deployment/ledger is scaled to 0" in status["message"]
    assert any("cannot reach dependency" in one["message"] for one in status["evidence"])
    assert scene.live()["spec"] == scene.broken["spec"]


@play("says-no")
def test_the_probes_answer_is_shown(scene):
    evidence = scene.closed()["status"]["evidence"]
    assert any("statuscode: 503" in one["message"] for one in evidence), evidence
    assert any(one["source"] == "Not network_timeout" for one in evidence)


@play("hung")
def test_a_hung_process_is_restarted_once(scene):
    (attempt,) = scene.closed()["status"]["attempts"]
    assert (attempt["action"], attempt["verdict"]) == ("Restart", "Healed")
    live = scene.live()
    marks = template(live)["metadata"].pop("annotations")
    assert set(marks) == {"kubectl.kubernetes.io/restartedAt"}
    assert template(live) == template(scene.first)


@play("hung-one-of-two")
def test_a_replica_that_serves_is_not_interrupted(scene):
    status = scene.closed()["status"]
    assert "no pod of Deployment/recommendations may stay healthy" in status["message"]
    assert "kubectl rollout restart" in status["nextStep"]
    assert scene.live()["spec"] == scene.broken["spec"]


@play("hangs-again")
def test_what_hangs_again_is_restarted_no_more(scene):
    (attempt,) = scene.closed()["status"]["attempts"]
    assert (attempt["action"], attempt["verdict"]) == ("Restart", "NotHealed")


@play("unschedulable", "wrong-probe")
def test_a_release_that_cannot_run_is_taken_back(scene):
    (attempt,) = scene.closed()["status"]["attempts"]
    assert (attempt["action"], attempt["verdict"]) == ("RestoreTemplate", "Healed")
    assert template(scene.live()) == template(scene.first)


@play("flapping")
def test_what_heals_itself_twice_is_a_fault_the_third_time(scene):
    scene.closed()
    assert [incident["status"]["phase"] for incident in scene.incidents()] == ["Recovered", "Recovered", "Escalated"]
