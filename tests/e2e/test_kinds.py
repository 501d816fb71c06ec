"""StatefulSets and DaemonSets are repaired as Deployments are; pods and Jobs are only reported."""

import pytest
from support.cases.inspection import limits, template, with_cases

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480, func_only=True)]


def uids(case_run):
    return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in case_run.live_pods()}


@with_cases("stateful-release", "stateful-recreated", "daemon-release", "autoscaled")
def test_the_last_good_template_is_back(case_run):
    (attempt,) = case_run.closed()["status"]["attempts"]
    assert (attempt["action"], attempt["verdict"]) == ("RestoreTemplate", "Healed")
    assert template(case_run.live()) == template(case_run.first)


@with_cases("stateful-release")
def test_the_healthy_pod_of_a_stateful_set_is_untouched(case_run):
    case_run.closed()
    name = f"{case_run.case.workload}-0"
    assert uids(case_run)[name] == case_run.pods[name]


@with_cases("stateful-release", "stateful-oom", "stateful-recreated")
def test_only_the_broken_pod_is_deleted_and_by_uid(case_run, audit):
    case_run.closed()
    (deleted,) = [write for write in case_run.attempted() if write.verb == "delete"]
    assert deleted.made
    assert deleted.request["preconditions"]["uid"] not in uids(case_run).values()


@with_cases("stateful-oom-twice")
def test_an_undo_lets_a_stateful_set_go_on_too(case_run):
    first, second = case_run.closed()["status"]["attempts"]
    assert (first["verdict"], first["undone"], second["verdict"]) == ("NotHealed", True, "Healed")
    assert limits(case_run.live()) == {"server": second["parameters"]["to"]}


@with_cases("stateful-oom")
def test_a_stateful_set_gets_its_memory(case_run):
    case_run.closed()
    assert limits(case_run.live()) == {"server": "128Mi"}
    wanted, status = case_run.live()["spec"]["replicas"], case_run.live()["status"]
    assert (status["updatedReplicas"], status["availableReplicas"]) == (wanted, wanted)


@with_cases("stateful-recreated")
def test_snapshots_outlive_a_stateful_set(case_run):
    incident = case_run.closed()
    assert case_run.live()["metadata"]["uid"] != case_run.first["metadata"]["uid"]
    assert incident["status"]["attempts"][0]["parameters"]["to"].startswith("snapshot recommendations-prunella-")


@with_cases("bare-pod", "job")
def test_what_is_only_reported_is_untouched(case_run):
    incident = case_run.closed()
    assert incident["status"]["target"] == f"{case_run.case.kind}/{case_run.case.workload}"
    live, broken = ({**pod["spec"], "nodeName": "any"} for pod in (case_run.live(), case_run.broken))
    assert live == broken, "a pod gets its node, and nothing else"
    assert "exit code 1" in incident["status"]["message"]


@with_cases("autoscaled")
def test_replicas_stay_the_autoscalers(case_run):
    case_run.closed()
    live = case_run.live()
    assert live["spec"]["replicas"] == case_run.broken["spec"]["replicas"]
    fields = {managedfield["manager"]: managedfield["fieldsV1"] for managedfield in live["metadata"]["managedFields"]}
    owners = {manager for manager, owned in fields.items() if "f:replicas" in owned.get("f:spec", {})}
    assert "prunella" not in owners
