"""Faults that look alike and want different answers."""

import pytest
from support.cases.inspection import template, with_cases

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480, func_only=True)]


@with_cases("secret-deleted", "says-no", "flapping")
def test_an_innocent_release_is_left_alone(case_run):
    status = case_run.closed()["status"]
    assert case_run.live()["spec"] == case_run.broken["spec"]
    assert not status.get("attempts")
    assert {"secret-deleted": "which is missing", "says-no": "Its probe asks"}.get(
        case_run.case.name, "good before"
    ) in status["message"]
    assert status["nextStep"]


@with_cases("secret-deleted")
def test_the_missing_secret_is_named_and_its_value_is_not(case_run):
    text = str(case_run.closed()["status"])
    assert 'secret \\"token\\" not found' in text.replace('secret "token" not found', 'secret \\"token\\" not found')
    assert "hunter2" not in text


@with_cases("secret-deleted")
def test_the_replica_that_still_serves_is_untouched(case_run):
    case_run.closed()
    left = {pod["metadata"]["uid"] for pod in case_run.live_pods()} & set(case_run.pods.values())
    assert len(left) == 1


@with_cases("dependency-gone")
def test_the_dependency_is_named_and_the_pods_own_words_are_shown(case_run):
    status = case_run.closed()["status"]
    assert "Deployment/ledger is scaled to 0" in status["message"]
    assert any("cannot reach dependency" in note["message"] for note in status["evidence"])
    assert case_run.live()["spec"] == case_run.broken["spec"]


@with_cases("says-no")
def test_the_probes_answer_is_shown(case_run):
    evidence = case_run.closed()["status"]["evidence"]
    assert any("statuscode: 503" in note["message"] for note in evidence), evidence


@with_cases("hung")
def test_a_hung_process_is_restarted_once(case_run):
    (attempt,) = case_run.closed()["status"]["attempts"]
    assert (attempt["action"], attempt["verdict"]) == ("Restart", "Healed")
    live = case_run.live()
    marks = template(live)["metadata"].pop("annotations")
    assert set(marks) == {"kubectl.kubernetes.io/restartedAt"}
    assert template(live) == template(case_run.first)


@with_cases("hung-one-of-two")
def test_a_replica_that_serves_is_not_interrupted(case_run):
    status = case_run.closed()["status"]
    assert "no pod of Deployment/recommendations is guaranteed to stay healthy" in status["message"]
    assert "kubectl rollout restart" in status["nextStep"]
    assert case_run.live()["spec"] == case_run.broken["spec"]


@with_cases("hangs-again")
def test_what_hangs_again_is_restarted_no_more(case_run):
    (attempt,) = case_run.closed()["status"]["attempts"]
    assert (attempt["action"], attempt["verdict"]) == ("Restart", "NotHealed")


@with_cases("unschedulable", "wrong-probe")
def test_a_release_that_cannot_run_is_taken_back(case_run):
    (attempt,) = case_run.closed()["status"]["attempts"]
    assert (attempt["action"], attempt["verdict"]) == ("RestoreTemplate", "Healed")
    assert template(case_run.live()) == template(case_run.first)


@with_cases("flapping")
def test_what_heals_itself_twice_is_a_fault_the_third_time(case_run):
    case_run.closed()
    assert [incident["status"]["phase"] for incident in case_run.incidents()] == ["Recovered", "Recovered", "Escalated"]
