"""Incidents with kubectl only: the table, the events, and waiting for the end."""

import pytest
from support.cases.inspection import with_cases
from support.cases.table import CASES

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480, func_only=True)]


def table(case_run, *options):
    lines = case_run.cluster.kubectl("get", "incidents", "-n", case_run.namespace, *options).splitlines()
    return lines[0].split(), [line.split() for line in lines[1:]]


@with_cases("oom-killed")
def test_the_table(case_run):
    name = case_run.closed()["metadata"]["name"]
    head, (row,) = table(case_run)
    assert head == ["NAME", "PHASE", "REASON", "CAUSE", "TARGET", "ACTION", "AGE"]
    assert row[:6] == [name, "Healed", "Stable", "pod_oom_killed", "Deployment/recommendations", "SetMemory"]
    wide, (row,) = table(case_run, "-o", "wide")
    assert wide[:7] == head
    assert {"SEVERITY", "DETECTED", "HEALED-IN", "WORKFLOW", "TRACE"} <= set(wide)
    assert f"incident-{case_run.closed()['metadata']['uid']}" in row


@with_cases("oom-killed", "bad-release", "dependency-down", "first-release", "recovering")
def test_describe_tells_the_story(case_run):
    incident = case_run.closed()
    text = case_run.cluster.kubectl("describe", "incident", incident["metadata"]["name"], "-n", case_run.namespace)
    for condition in incident["status"]["conditions"]:
        assert condition["type"] in text
    for attempt in incident["status"].get("attempts", ()):
        assert attempt["action"] in text
        assert attempt["actionId"] in text
    events = text.partition("\nEvents:")[2]
    assert case_run.case.phase in events
    story = {
        "Healed": ["Diagnosed", "Repaired", "Verified"],
        "Escalated": ["Diagnosed"],
        "Recovered": [],
    }[case_run.case.phase]
    story += ["Undone"] if case_run.case.writes > 1 else []
    positions = [events.find(part) for part in story]
    assert -1 not in positions, f"missing in:\n{events}"


@with_cases("oom-killed", "bad-release", "dependency-down")
def test_each_event_is_there_once(case_run):
    incident = case_run.closed()
    path = f"/apis/events.k8s.io/v1/namespaces/{case_run.namespace}/events"
    found = [item for item in case_run.api.items(path) if item["regarding"].get("uid") == incident["metadata"]["uid"]]
    told = [(item["reason"], item["note"]) for item in found]
    assert len(told) == len(set(told))
    assert {event["reportingController"] for event in found} == {"prunella.dev/operator"}


@with_cases("bad-release")
def test_the_workload_and_its_history_show_the_repair(case_run):
    case_run.closed()
    words = (f"deployment/{case_run.case.workload}", "-n", case_run.namespace)
    events = case_run.cluster.kubectl("describe", *words).partition("\nEvents:")[2]
    assert "Repaired" in events
    assert "Prunella: roll back to " in case_run.cluster.kubectl("rollout", "history", *words)


@with_cases("bad-release", "recovering")
def test_wait_for_success(case_run):
    name = case_run.opened()["metadata"]["name"]
    words = ["wait", "--for=condition=Succeeded", "--timeout=240s", f"incident/{name}", "-n", case_run.namespace]
    assert "condition met" in case_run.cluster.kubectl(*words, timeout=250)


@with_cases("first-release")
def test_wait_for_failure(case_run):
    name = case_run.opened()["metadata"]["name"]
    words = ["wait", "--for=condition=Succeeded=False", "--timeout=240s", f"inc/{name}", "-n", case_run.namespace]
    assert "condition met" in case_run.cluster.kubectl(*words, timeout=250)
    assert CASES["first-release"].phase == case_run.closed()["status"]["phase"]
