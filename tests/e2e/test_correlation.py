"""One cause is one incident's: what depends on it waits, and what is only reported is not touched."""

import pytest
from support.cases.correlation import DEPENDANTS, ended
from support.cases.inspection import template, with_cases

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480, func_only=True)]


@with_cases(
    "dependants",
    "dependency-escalated",
    "shared-secret",
    "dependency-unknown",
    "job-failed",
    "job-retried",
    "pod-failed",
)
def test_it_ends_as_it_should(case_run):
    status, case = case_run.closed()["status"], case_run.case
    assert case.ends_as(status["phase"], status["reason"]), f"{status['reason']}: {status['message']}"
    assert status.get("rootCause", "") == case.cause
    assert len(case_run.incidents()) == case.incidents
    case_run.assert_written(case.writes)


@with_cases("dependants")
def test_dependants_wait_and_recover_with_what_they_need(case_run):
    healed = case_run.closed()
    for name in DEPENDANTS:
        status = ended(case_run, name)["status"]
        assert (status["phase"], status["reason"]) == ("Recovered", "RecoveredWithCause"), status["message"]
        cause = status["causedBy"]
        assert (cause["target"], cause["incident"]) == ("Deployment/ledger", healed["metadata"]["name"])
        assert not status.get("attempts")


@with_cases("dependants")
def test_a_new_release_is_not_blamed_for_what_it_needs(case_run):
    ended(case_run, "checkout")
    path = f"/apis/apps/v1/namespaces/{case_run.namespace}/deployments/checkout"
    labels = template(case_run.api.get(path))["metadata"]["labels"]
    assert labels["app.kubernetes.io/version"] == "2"


@with_cases("dependency-escalated")
def test_people_are_told_whose_incident_to_look_at(case_run):
    status = case_run.closed()["status"]
    first = ended(case_run, "ledger")
    assert (first["status"]["phase"], first["status"]["reason"]) == ("Escalated", "ConfigMissing")
    name = first["metadata"]["name"]
    assert (status["causedBy"]["target"], status["causedBy"]["incident"]) == ("Deployment/ledger", name)
    assert status["escalation"]["nextStep"] == f"See incident {name} of Deployment/ledger."
    assert "the log of container server names Service ledger" in status["message"]


@with_cases("shared-secret")
def test_the_second_that_lacks_the_same_points_at_the_first(case_run):
    status = case_run.closed()["status"]
    first, second = case_run.incidents()
    assert (first["status"]["phase"], first["status"]["reason"]) == ("Escalated", "ConfigMissing")
    assert second["status"] == status
    assert (status["causedBy"]["target"], status["causedBy"]["incident"]) == (
        "Secret/token",
        first["metadata"]["name"],
    )
    assert "hunter2" not in str(case_run.incidents())


@with_cases("dependency-unknown")
def test_a_rollback_that_does_not_help_is_taken_back(case_run):
    (attempt,) = case_run.closed()["status"]["attempts"]
    assert (attempt["action"], attempt["verdict"], attempt["undone"]) == ("RestoreTemplate", "NotHealed", True)
    assert template(case_run.live()) == template(case_run.broken)


@with_cases("job-failed", "pod-failed")
def test_what_is_only_reported_says_what_it_died_of(case_run):
    status = case_run.closed()["status"]
    assert status["target"] == f"{case_run.case.kind}/{case_run.case.workload}"
    assert "exit code 1" in status["message"]
    assert f"A {case_run.case.kind} is only reported" in status["message"]
