"""Actions of people on an incident during its healing. What they saw meanwhile is asserted where they act."""

import pytest
from support.api import until
from support.cases.inspection import condition, limits, template, with_cases
from support.cases.table import CASES

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480, func_only=True)]


@with_cases("cancelled", "incident-deleted")
def test_what_was_repaired_is_taken_back(case_run):
    until(lambda: template(case_run.live()) == template(case_run.first), 60, "the owner's template is back")
    until(
        lambda: len([write for write in case_run.attempted() if write.made]) == CASES[case_run.case.name].writes,
        30,
        "written",
    )


@with_cases("cancelled")
def test_a_cancelled_incident_says_that_nothing_is_left(case_run):
    incident = case_run.closed()
    (attempt,) = incident["status"]["attempts"]
    assert attempt["undone"] is True
    assert condition(incident, "Repaired") == ("False", "Undone")


@with_cases("incident-deleted")
def test_a_deleted_incident_does_not_come_back(case_run):
    assert case_run.incidents() == []


@with_cases("approved")
def test_who_approved_is_on_record(case_run):
    incident = case_run.closed()
    assert condition(incident, "Approved") == ("True", "Approved")
    found = next(item for item in incident["status"]["conditions"] if item["type"] == "Approved")
    assert case_run.api.user() in found["message"]
    assert limits(case_run.live()) == {"server": "128Mi"}


@with_cases("rejected")
def test_what_was_rejected_is_not_done(case_run):
    incident = case_run.closed()
    assert condition(incident, "Approved") == ("False", "Rejected")
    assert case_run.live()["spec"] == case_run.broken["spec"]
    assert case_run.api.user() in incident["status"]["message"]


@with_cases("suspended")
def test_a_suspended_incident_goes_on_when_it_may(case_run):
    (attempt,) = case_run.closed()["status"]["attempts"]
    assert (attempt["action"], attempt["verdict"]) == ("SetMemory", "Healed")
