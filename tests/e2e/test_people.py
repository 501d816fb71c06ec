"""What people do to an incident while Prunella is at work. What they saw meanwhile is asserted where they act."""

import pytest
from support.api import until
from support.cases import CASES
from support.looks import condition, limits, play, template

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480, func_only=True)]


@play("cancelled", "incident-deleted")
def test_what_was_repaired_is_taken_back(scene):
    until(lambda: template(scene.live()) == template(scene.first), 60, "the owner's template is back")
    until(lambda: len([one for one in scene.attempted() if one.made]) == CASES[scene.case.name].writes, 30, "written")


@play("cancelled")
def test_a_cancelled_incident_says_that_nothing_is_left(scene):
    incident = scene.closed()
    (attempt,) = incident["status"]["attempts"]
    assert attempt["undone"] is True
    assert condition(incident, "Repaired") == ("False", "Undone")


@play("incident-deleted")
def test_a_deleted_incident_does_not_come_back(scene):
    assert scene.incidents() == []


@play("approved")
def test_who_approved_is_on_record(scene):
    incident = scene.closed()
    assert condition(incident, "Approved") == ("True", "Approved")
    found = next(one for one in incident["status"]["conditions"] if one["type"] == "Approved")
    assert "alice" in found["message"]
    assert limits(scene.live()) == {"server": "128Mi"}


@play("rejected")
def test_what_was_rejected_is_not_done(scene):
    incident = scene.closed()
    assert condition(incident, "Approved") == ("False", "Rejected")
    assert scene.live()["spec"] == scene.broken["spec"]
    assert "alice" in incident["status"]["message"]


@play("suspended")
def test_a_suspended_incident_goes_on_when_it_may(scene):
    (attempt,) = scene.closed()["status"]["attempts"]
    assert (attempt["action"], attempt["verdict"]) == ("SetMemory", "Healed")
