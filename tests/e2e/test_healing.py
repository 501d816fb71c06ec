"""Each fault on a real cluster, from a real kubelet's crash to the end of its incident."""

import copy
import re
from datetime import datetime

import pytest
from support.api import until
from support.cases import CASES, TRACKING
from support.stage import CLOSED

from prunella_workflows.model.quantity import parse_bytes

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480, func_only=True)]


def play(*names):
    return pytest.mark.parametrize("scene", names or list(CASES), indirect=True)


def condition(incident, kind):
    found = {one["type"]: one for one in incident["status"]["conditions"]}
    return (found[kind]["status"], found[kind]["reason"])


def template(workload):
    return workload["spec"]["template"]


def limits(workload):
    containers = template(workload)["spec"]["containers"]
    return {container["name"]: container["resources"]["limits"]["memory"] for container in containers}


def changes(diff):
    """The lines of a diff that were taken away or added."""
    return [line[1:].strip() for line in diff.splitlines() if re.match(r"[-+] ", line)]


def marks(workload, kind):
    """Labels or annotations that are the owner's: neither ours nor the rollout's counter."""
    found = workload["metadata"].get(kind) or {}
    ours = ("prunella.dev/", "deployment.kubernetes.io/revision")
    return {key: value for key, value in found.items() if not key.startswith(ours)}


@play(*(name for name, case in CASES.items() if case.phase in CLOSED))
def test_it_ends_as_it_should(scene):
    incident = scene.closed()
    case, status = scene.case, incident["status"]
    assert (status["phase"], status["reason"]) == (case.phase, case.reason), status["message"]
    assert status.get("rootCause", "") == case.cause
    wanted = {"Healed": "True", "Recovered": "True"}.get(case.phase, "False")
    assert condition(incident, "Succeeded") == (wanted, case.phase)
    closed, detected = (datetime.fromisoformat(status["times"][one]) for one in ("closedAt", "detectedAt"))
    assert closed >= detected
    scene.assert_written(case.writes)


@play("oom-killed")
def test_memory_of_the_killed_container_is_raised_once(scene):
    incident = scene.closed()
    live = scene.live()
    assert parse_bytes("64Mi") < parse_bytes(limits(live)["server"]) <= parse_bytes("256Mi")
    container = next(one for one in template(live)["spec"]["containers"] if one["name"] == "server")
    assert container["resources"]["requests"]["memory"] == "16Mi"

    container["resources"]["limits"]["memory"] = "64Mi"
    assert template(live) == template(scene.first), "something else than this one limit was changed"

    (attempt,) = incident["status"]["attempts"]
    assert attempt["action"] == "SetMemory"
    assert attempt["parameters"] == {"container": "server", "from": "64Mi", "to": limits(scene.live())["server"]}
    assert attempt["verdict"] == "Healed"
    assert changes(attempt["diff"]) == ["memory: 64Mi", f"memory: {attempt['parameters']['to']}"]


@play("oom-twice")
def test_a_raise_that_is_not_enough_is_taken_back_before_the_next(scene):
    incident = scene.closed()
    first, second = incident["status"]["attempts"]
    assert (first["verdict"], first["undone"], first["parameters"]["from"]) == ("NotHealed", True, "64Mi")
    assert (second["verdict"], second["undone"], second["parameters"]["from"]) == ("Healed", False, "64Mi")
    assert parse_bytes(first["parameters"]["to"]) < parse_bytes(second["parameters"]["to"]) <= parse_bytes("256Mi")
    assert limits(scene.live()) == {"server": second["parameters"]["to"]}


@play("bad-release", "two-bad-releases", "image-pull", "config-error", "rollout-stuck", "init-crash", "recreated")
def test_the_last_good_template_is_back_and_runs(scene):
    incident = scene.closed()
    live = scene.live()
    assert template(live) == template(scene.first)
    assert template(live) != template(scene.broken)
    status, wanted = live["status"], live["spec"]["replicas"]
    assert (status["updatedReplicas"], status["availableReplicas"], status["replicas"]) == (wanted, wanted, wanted)
    (attempt,) = incident["status"]["attempts"]
    assert (attempt["action"], attempt["verdict"]) == ("RestoreTemplate", "Healed")


@play("bad-release")
def test_a_rollback_changes_nothing_but_the_template(scene):
    scene.closed()
    live = scene.live()
    assert marks(live, "annotations") == marks(scene.broken, "annotations")
    assert marks(live, "labels") == marks(scene.broken, "labels")
    rest, wished = copy.deepcopy(live["spec"]), copy.deepcopy(scene.broken["spec"])
    del rest["template"], wished["template"]
    assert rest == wished
    assert live["metadata"]["generation"] == scene.broken["metadata"]["generation"] + 1


@play("by-hand")
def test_a_person_and_prunella_may_report_the_same_fault(scene):
    scene.closed()

    def over():
        phases = [incident.get("status", {}).get("phase") for incident in scene.incidents()]
        return phases if set(phases) <= CLOSED else None

    assert set(until(over, 120, "all incidents are closed")) <= {"Healed", "Recovered"}
    scene.assert_written(1)


@play("two-bad-releases")
def test_a_release_that_never_worked_is_not_gone_back_to(scene):
    incident = scene.closed()
    assert "revision 1 " in incident["status"]["attempts"][0]["parameters"]["to"]


@play("init-crash")
def test_the_init_container_is_named(scene):
    decided = [one["message"] for one in scene.closed()["status"]["evidence"] if one["source"] == "Decided by"]
    assert any("migrate" in one for one in decided), decided


@play("recreated")
def test_our_own_snapshot_outlives_the_workload(scene):
    incident = scene.closed()
    assert scene.live()["metadata"]["uid"] != scene.first["metadata"]["uid"]
    assert incident["status"]["attempts"][0]["parameters"]["to"].startswith("snapshot checkout-prunella-")


@play("first-release", "oom-at-max", "observed-only", "dry-run", "paused", "recovering", "gitops")
def test_the_workload_is_as_its_owner_left_it(scene):
    scene.closed()
    live = scene.live()
    assert live["spec"] == scene.broken["spec"]
    assert live["metadata"]["generation"] == scene.broken["metadata"]["generation"]
    assert not [
        annotation for annotation in live["metadata"].get("annotations") or {} if annotation.startswith("prunella.dev/")
    ]
    assert not scene.closed()["status"].get("attempts")


@play("first-release")
def test_a_first_release_is_explained_by_its_own_words(scene):
    status = scene.closed()["status"]
    assert "CATALOG_URL" in status["message"]
    assert status["escalation"]["reason"] == "NoKnownGoodRevision"
    assert status["nextStep"]


@play("oom-at-max")
def test_the_maximum_is_named(scene):
    incident = scene.closed()
    assert "64Mi" in incident["status"]["message"]
    assert "memoryMax" in incident["status"]["message"]
    assert limits(scene.live()) == {"server": "64Mi"}
    assert condition(incident, "Escalated") == ("True", "MemoryAtMaximum")


@play("dry-run", "observed-only", "gitops")
def test_what_would_be_done_is_shown_exactly(scene):
    status = scene.closed()["status"]
    assert status["plan"]
    changed = changes(status["diff"])
    if scene.case.name == "dry-run":
        assert changed == ["memory: 64Mi", "memory: 128Mi"]
    else:
        assert changed.count("image: prunella.local/shop:1") == 1
        assert changed.count("image: prunella.local/shop:2") == 1


@play("dry-run")
def test_a_dry_run_does_not_end_the_real_incident(scene):
    scene.closed()

    def asks():
        phases = [incident.get("status", {}).get("phase") for incident in scene.incidents()]
        return sorted(map(str, phases)) == ["AwaitingApproval", "DryRunDone"]

    until(asks, 60, "Prunella's own incident waits for an answer")


@play("observed-only")
def test_how_to_let_it_heal_is_said(scene):
    step = f"kubectl label namespace {scene.namespace} prunella.dev/heal=enabled"
    assert step in scene.closed()["status"]["nextStep"]


@play("opted-out")
def test_who_opts_out_is_left_alone(scene):
    def crashing():
        states = [
            containerstatuse
            for pod in scene.api.pods(scene.namespace)
            for containerstatuse in pod["status"].get("containerStatuses", ())
        ]
        return any(state["restartCount"] >= 3 for state in states)

    until(crashing, 120, "the pod has crashed several times", every=1)
    assert scene.incidents() == []
    assert scene.live()["spec"] == scene.broken["spec"]
    scene.assert_written(0)


@play("paused")
def test_how_to_resume_is_said(scene):
    command = f"kubectl rollout resume Deployment/recommendations -n {scene.namespace}"
    assert scene.closed()["status"]["nextStep"] == command
    assert scene.live()["spec"]["paused"] is True


@play("recovering")
def test_a_crash_that_ends_by_itself_was_one(scene):
    scene.closed()
    (pod,) = scene.api.pods(scene.namespace)
    (status,) = pod["status"]["containerStatuses"]
    assert (status["restartCount"], status["ready"]) == (2, True)


@play("no-such-target")
def test_a_target_that_is_not_there_is_named(scene):
    incident = scene.closed()
    assert "nowhere" in incident["status"]["message"]
    assert condition(incident, "Succeeded") == ("False", "Failed")


@play("gitops")
def test_git_gets_the_exact_change(scene):
    incident = scene.closed()
    assert "Argo CD" in incident["status"]["message"]
    assert re.search(r"in its source: roll back to revision 1 .*shop:1", incident["status"]["nextStep"])
    assert TRACKING in scene.live()["metadata"]["annotations"]


@play("dependency-down")
def test_what_a_release_needs_is_named_and_the_release_is_left_alone(scene):
    incident = scene.closed()
    assert scene.live()["spec"] == scene.broken["spec"]
    assert "Deployment/ledger is scaled to 0" in incident["status"]["message"]
    assert incident["status"]["causedBy"]["target"] == "Deployment/ledger"
    assert condition(incident, "Escalated") == ("True", "DependencyDown")


@play(*(name for name, case in CASES.items() if case.writes and case.phase and not case.about))
def test_each_write_carries_its_reason(scene, audit):
    scene.closed()
    uids = [incident["metadata"]["uid"] for incident in scene.incidents()]
    for write in [one for one in scene.attempted() if one.verb != "delete"]:
        assert (write.verb, write.manager) == ("patch", "prunella")
        stamps = [one for one in write.request if one["path"].endswith("prunella.dev~1last-action")]
        assert [any(uid in stamp["value"] for uid in uids) for stamp in stamps] == [True]
        assert {"/metadata/uid"} <= {one["path"] for one in write.request if one["op"] == "test"}
    assert {snapshot.verb for snapshot in scene.snapshots()} <= {"create", "patch"}
