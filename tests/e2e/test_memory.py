"""Whose memory is raised, how far, and what is done instead."""

import pytest
from support.cases.inspection import containers, limits, requests, template, with_cases

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480, func_only=True)]


@with_cases("oom-sidecar", "oom-native-sidecar", "oom-init")
def test_only_the_killed_container_gets_more(case_run):
    (attempt,) = case_run.closed()["status"]["attempts"]
    live = case_run.live()
    assert (attempt["action"], attempt["parameters"]["container"]) == ("SetMemory", "cache")
    assert limits(live) == {"server": "64Mi", "cache": "128Mi"}
    assert requests(live) == requests(case_run.first)
    next(container for container in containers(live) if container["name"] == "cache")["resources"]["limits"][
        "memory"
    ] = "64Mi"
    assert template(live) == template(case_run.first)


@with_cases("oom-guaranteed")
def test_a_guaranteed_pod_stays_guaranteed(case_run):
    case_run.closed()
    assert (limits(case_run.live()), requests(case_run.live())) == ({"server": "128Mi"}, {"server": "128Mi"})
    assert {pod["status"]["qosClass"] for pod in case_run.live_pods()} == {"Guaranteed"}


@with_cases("oom-in-place")
def test_a_container_in_back_off_is_not_resized_in_place(case_run):
    (attempt,) = case_run.closed()["status"]["attempts"]
    assert (attempt["action"], attempt["verdict"]) == ("SetMemory", "Healed")
    assert limits(case_run.live()) == {"server": "128Mi"}
    assert [write.resource for write in case_run.attempted()] == ["apps/deployments"]


@with_cases("oom-quota")
def test_the_quota_is_named(case_run):
    assert "ResourceQuota of limits.memory" in case_run.closed()["status"]["message"]
    assert case_run.live()["spec"] == case_run.broken["spec"]


@with_cases("oom-limit-range")
def test_a_limit_range_is_kept(case_run):
    case_run.closed()
    assert limits(case_run.live()) == {"server": "112Mi"}


@with_cases("memory-leak")
def test_a_leak_gets_two_raises_and_keeps_none(case_run):
    attempts = case_run.closed()["status"]["attempts"]
    assert [(attempt["action"], attempt["verdict"], attempt["undone"]) for attempt in attempts] == [
        ("SetMemory", "NotHealed", True)
    ] * 2
    assert limits(case_run.live()) == {"server": "64Mi"}
    assert template(case_run.live()) == template(case_run.broken)


@with_cases("lowered-limit", "killed-137")
def test_a_release_is_taken_back_and_no_memory_given(case_run):
    (attempt,) = case_run.closed()["status"]["attempts"]
    assert attempt["action"] == "RestoreTemplate"
    assert template(case_run.live()) == template(case_run.first)


@with_cases("killed-137")
def test_137_alone_is_no_lack_of_memory(case_run):
    status = case_run.closed()["status"]
    assert any("137" in note["message"] for note in status["evidence"])
    assert any(note["source"] == "Not pod_oom_killed" for note in status["evidence"])
