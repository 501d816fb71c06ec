"""One cause is one incident's: what depends on it waits, and what is only reported is not touched."""

import pytest
from support.cases_correlation import DEPENDANTS, ended
from support.looks import play, template

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480, func_only=True)]


@play(
    "dependants",
    "dependency-escalated",
    "shared-secret",
    "dependency-unknown",
    "job-failed",
    "job-retried",
    "pod-failed",
)
def test_it_ends_as_it_should(scene):
    status, case = scene.closed()["status"], scene.case
    assert (status["phase"], status["reason"]) == (case.phase, case.reason), status["message"]
    assert status.get("rootCause", "") == case.cause
    assert len(scene.incidents()) == case.incidents
    scene.assert_written(case.writes)


@play("dependants")
def test_dependants_wait_and_recover_with_what_they_need(scene):
    healed = scene.closed()
    for name in DEPENDANTS:
        status = ended(scene, name)["status"]
        assert (status["phase"], status["reason"]) == ("Recovered", "RecoveredWithCause"), status["message"]
        cause = status["causedBy"]
        assert (cause["target"], cause["incident"]) == ("Deployment/ledger", healed["metadata"]["name"])
        assert not status.get("attempts")


@play("dependants")
def test_a_new_release_is_not_blamed_for_what_it_needs(scene):
    ended(scene, "checkout")
    path = f"/apis/apps/v1/namespaces/{scene.namespace}/deployments/checkout"
    labels = template(scene.api.get(path))["metadata"]["labels"]
    assert labels["app.kubernetes.io/version"] == "2"


@play("dependency-escalated")
def test_people_are_told_whose_incident_to_look_at(scene):
    status = scene.closed()["status"]
    first = ended(scene, "ledger")
    assert (first["status"]["phase"], first["status"]["reason"]) == ("Escalated", "InnocentRelease")
    name = first["metadata"]["name"]
    assert (status["causedBy"]["target"], status["causedBy"]["incident"]) == ("Deployment/ledger", name)
    assert status["escalation"]["nextStep"] == f"See incident {name} of Deployment/ledger."
    assert "the log of container server names Service ledger" in status["message"]


@play("shared-secret")
def test_the_second_that_lacks_the_same_points_at_the_first(scene):
    status = scene.closed()["status"]
    first, second = scene.incidents()
    assert (first["status"]["phase"], first["status"]["reason"]) == ("Escalated", "InnocentRelease")
    assert second["status"] == status
    assert (status["causedBy"]["target"], status["causedBy"]["incident"]) == (
        "Secret/token",
        first["metadata"]["name"],
    )
    assert "hunter2" not in str(scene.incidents())


@play("dependency-unknown")
def test_a_rollback_that_does_not_help_is_taken_back(scene):
    (attempt,) = scene.closed()["status"]["attempts"]
    assert (attempt["action"], attempt["verdict"], attempt["undone"]) == ("RestoreTemplate", "NotHealed", True)
    assert template(scene.live()) == template(scene.broken)


@play("job-failed", "pod-failed")
def test_what_is_only_reported_says_what_it_died_of(scene):
    status = scene.closed()["status"]
    assert status["target"] == f"{scene.case.kind}/{scene.case.workload}"
    assert "exit code 1" in status["message"]
    assert f"A {scene.case.kind} is only reported" in status["message"]
