"""Incidents with nothing but kubectl: the table, the story, and waiting for the end."""

import pytest
from support.cases import CASES

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480, func_only=True)]


def play(*names):
    return pytest.mark.parametrize("scene", names, indirect=True)


def table(scene, *options):
    lines = scene.cluster.kubectl("get", "incidents", "-n", scene.namespace, *options).splitlines()
    return lines[0].split(), [line.split() for line in lines[1:]]


@play("oom-killed")
def test_the_table(scene):
    name = scene.closed()["metadata"]["name"]
    head, (row,) = table(scene)
    assert head == ["NAME", "PHASE", "CAUSE", "TARGET", "ACTION", "AGE"]
    assert row[:5] == [name, "Healed", "pod_oom_killed", "Deployment/recommendations", "SetMemory"]
    wide, (row,) = table(scene, "-o", "wide")
    assert wide[:6] == head
    assert {"SEVERITY", "DETECTED", "HEALED-IN", "WORKFLOW", "TRACE"} <= set(wide)
    assert f"incident-{scene.closed()['metadata']['uid']}" in row


@play("oom-killed", "bad-release", "dependency-down", "first-release", "recovering")
def test_describe_tells_the_story(scene):
    incident = scene.closed()
    text = scene.cluster.kubectl("describe", "incident", incident["metadata"]["name"], "-n", scene.namespace)
    for condition in incident["status"]["conditions"]:
        assert condition["type"] in text
    for attempt in incident["status"].get("attempts", ()):
        assert attempt["action"] in text
        assert attempt["actionId"] in text
    events = text.partition("\nEvents:")[2]
    assert scene.case.phase in events
    story = {
        "Healed": ["Diagnosed", "Repaired", "Verified"],
        "Escalated": ["Diagnosed"],
        "Recovered": [],
    }[scene.case.phase]
    story += ["Undone"] if scene.case.writes > 1 else []
    positions = [events.find(one) for one in story]
    assert -1 not in positions, f"missing in:\n{events}"


@play("oom-killed", "bad-release", "dependency-down")
def test_each_event_is_there_once(scene):
    incident = scene.closed()
    path = f"/apis/events.k8s.io/v1/namespaces/{scene.namespace}/events"
    found = [one for one in scene.api.items(path) if one["regarding"].get("uid") == incident["metadata"]["uid"]]
    told = [(one["reason"], one["note"]) for one in found]
    assert len(told) == len(set(told))
    assert {one["reportingController"] for one in found} == {"prunella.dev/operator"}


@play("bad-release", "recovering")
def test_wait_for_success(scene):
    name = scene.opened()["metadata"]["name"]
    words = ["wait", "--for=condition=Succeeded", "--timeout=240s", f"incident/{name}", "-n", scene.namespace]
    assert "condition met" in scene.cluster.kubectl(*words, timeout=250)


@play("first-release")
def test_wait_for_failure(scene):
    name = scene.opened()["metadata"]["name"]
    words = ["wait", "--for=condition=Succeeded=False", "--timeout=240s", f"inc/{name}", "-n", scene.namespace]
    assert "condition met" in scene.cluster.kubectl(*words, timeout=250)
    assert CASES["first-release"].phase == scene.closed()["status"]["phase"]
