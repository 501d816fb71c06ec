"""Guards that block a repair, and the reasons that they report."""

import pytest
from support.cases.inspection import template, with_cases

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480, func_only=True)]


@with_cases("flux", "helm", "observe", "frozen", "maintenance")
def test_what_is_held_back_is_shown_and_not_done(case_run):
    status = case_run.closed()["status"]
    assert case_run.live()["spec"] == case_run.broken["spec"]
    assert "Roll back to revision 1" in status["plan"]
    assert "shop:1" in status["diff"]
    held = [guard for guard in status["guards"] if guard["held"]]
    assert status["reason"] in {block["reason"] for block in held}


@with_cases("flux", "helm")
def test_the_owner_of_the_manifest_is_named(case_run):
    status = case_run.closed()["status"]
    assert {"flux": "Flux", "helm": "Helm"}[case_run.case.name] in status["message"]
    assert "in its source: roll back to revision 1" in status["nextStep"]


@with_cases("frozen")
def test_a_frozen_rollback_is_offered(case_run):
    assert "roll back to revision 1" in case_run.closed()["status"]["nextStep"]


@with_cases("maintenance")
def test_outside_of_its_window_it_waits(case_run):
    status = case_run.closed()["status"]
    assert not [
        condition
        for condition in status["conditions"]
        if condition["type"] == "Succeeded" and condition["status"] != "Unknown"
    ]


@with_cases("budget")
def test_the_second_repair_is_a_persons(case_run):
    case_run.closed()
    assert [incident["status"]["phase"] for incident in case_run.incidents()] == ["Healed", "Escalated"]
    assert template(case_run.live())["metadata"]["labels"]["app.kubernetes.io/version"] == "3"
