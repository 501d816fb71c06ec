"""Whose memory is raised, how far, and what is done instead."""

import pytest
from support.looks import containers, limits, play, requests, template

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480, func_only=True)]


@play("oom-sidecar", "oom-native-sidecar", "oom-init")
def test_only_the_killed_container_gets_more(scene):
    (attempt,) = scene.closed()["status"]["attempts"]
    live = scene.live()
    assert (attempt["action"], attempt["parameters"]["container"]) == ("SetMemory", "cache")
    assert limits(live) == {"server": "64Mi", "cache": "128Mi"}
    assert requests(live) == requests(scene.first)
    next(container for container in containers(live) if container["name"] == "cache")["resources"]["limits"][
        "memory"
    ] = "64Mi"
    assert template(live) == template(scene.first)


@play("oom-guaranteed")
def test_a_guaranteed_pod_stays_guaranteed(scene):
    scene.closed()
    assert (limits(scene.live()), requests(scene.live())) == ({"server": "128Mi"}, {"server": "128Mi"})
    assert {pod["status"]["qosClass"] for pod in scene.api.pods(scene.namespace)} == {"Guaranteed"}


@play("oom-in-place")
def test_a_container_in_back_off_is_not_resized_in_place(scene):
    (attempt,) = scene.closed()["status"]["attempts"]
    assert (attempt["action"], attempt["verdict"]) == ("SetMemory", "Healed")
    assert limits(scene.live()) == {"server": "128Mi"}
    assert [one.resource for one in scene.attempted()] == ["apps/deployments"]


@play("oom-quota")
def test_the_quota_is_named(scene):
    assert "ResourceQuota of limits.memory" in scene.closed()["status"]["message"]
    assert scene.live()["spec"] == scene.broken["spec"]


@play("oom-limit-range")
def test_a_limit_range_is_kept(scene):
    scene.closed()
    assert limits(scene.live()) == {"server": "112Mi"}


@play("memory-leak")
def test_a_leak_gets_two_raises_and_keeps_none(scene):
    attempts = scene.closed()["status"]["attempts"]
    assert [(attempt["action"], attempt["verdict"], attempt["undone"]) for attempt in attempts] == [
        ("SetMemory", "NotHealed", True)
    ] * 2
    assert limits(scene.live()) == {"server": "64Mi"}
    assert template(scene.live()) == template(scene.broken)


@play("lowered-limit", "killed-137")
def test_a_release_is_taken_back_and_no_memory_given(scene):
    (attempt,) = scene.closed()["status"]["attempts"]
    assert attempt["action"] == "RestoreTemplate"
    assert template(scene.live()) == template(scene.first)


@play("killed-137")
def test_137_alone_is_no_lack_of_memory(scene):
    status = scene.closed()["status"]
    assert any("137" in one["message"] for one in status["evidence"])
    assert any(one["source"] == "Not pod_oom_killed" for one in status["evidence"])
