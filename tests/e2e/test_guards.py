"""What holds Prunella back, and what it says then."""

import pytest
from support.looks import play, template

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480, func_only=True)]


@play("flux", "helm", "observe", "frozen", "maintenance")
def test_what_is_held_back_is_shown_and_not_done(scene):
    status = scene.closed()["status"]
    assert scene.live()["spec"] == scene.broken["spec"]
    assert "Roll back to revision 1" in status["plan"]
    assert "shop:1" in status["diff"]
    held = [guard for guard in status["guards"] if guard["held"]]
    assert status["reason"] in {one["reason"] for one in held}


@play("flux", "helm")
def test_the_owner_of_the_manifest_is_named(scene):
    status = scene.closed()["status"]
    assert {"flux": "Flux", "helm": "Helm"}[scene.case.name] in status["message"]
    assert "in its source: roll back to revision 1" in status["nextStep"]


@play("frozen")
def test_a_frozen_rollback_is_offered(scene):
    assert "roll back to revision 1" in scene.closed()["status"]["nextStep"]


@play("maintenance")
def test_outside_of_its_window_it_waits(scene):
    status = scene.closed()["status"]
    assert not [
        condition
        for condition in status["conditions"]
        if condition["type"] == "Succeeded" and condition["status"] != "Unknown"
    ]


@play("budget", "cooldown")
def test_the_second_repair_is_a_persons(scene):
    scene.closed()
    assert [incident["status"]["phase"] for incident in scene.incidents()] == ["Healed", "Escalated"]
    assert template(scene.live())["metadata"]["labels"]["app.kubernetes.io/version"] == "3"
