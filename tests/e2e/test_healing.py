"""Each fault on a real cluster, from a real kubelet's crash to the end of its incident."""

import copy
import re
from datetime import datetime

import pytest
from support.api import until
from support.cases.inspection import condition, limits, template, with_cases
from support.cases.run import CLOSED
from support.cases.table import CASES, TRACKING

from prunella_workflows.model.labels import CHANGE_CAUSE
from prunella_workflows.model.quantity import parse_bytes

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480, func_only=True)]


def changes(diff):
    """The lines of a diff that were removed or added."""
    return [line[1:].strip() for line in diff.splitlines() if re.match(r"[-+] ", line)]


def marks(workload, kind):
    """Labels or annotations that are the owner's: neither ours, our cause included, nor the rollout's counter."""
    found = workload["metadata"].get(kind) or {}
    ours = {CHANGE_CAUSE} if found.get(CHANGE_CAUSE, "").startswith("Prunella: ") else set()
    others = ("prunella.dev/", "deployment.kubernetes.io/revision")
    return {key: value for key, value in found.items() if key not in ours and not key.startswith(others)}


@with_cases(*(name for name, case in CASES.items() if case.phase in CLOSED))
def test_it_ends_as_it_should(case_run):
    incident = case_run.closed()
    case, status = case_run.case, incident["status"]
    assert case.ends_as(status["phase"], status["reason"]), f"{status['reason']}: {status['message']}"
    assert status.get("rootCause", "") == case.cause
    wanted = {"Healed": "True", "Recovered": "True"}.get(case.phase, "False")
    assert condition(incident, "Succeeded") == (wanted, case.phase)
    closed, detected = (datetime.fromisoformat(status["times"][moment]) for moment in ("closedAt", "detectedAt"))
    assert closed >= detected
    case_run.assert_written(case.writes)


@with_cases("oom-killed")
def test_memory_of_the_killed_container_is_raised_once(case_run):
    incident = case_run.closed()
    live = case_run.live()
    assert parse_bytes("64Mi") < parse_bytes(limits(live)["server"]) <= parse_bytes("256Mi")
    container = next(item for item in template(live)["spec"]["containers"] if item["name"] == "server")
    assert container["resources"]["requests"]["memory"] == "16Mi"

    container["resources"]["limits"]["memory"] = "64Mi"
    assert template(live) == template(case_run.first), "something else than this one limit was changed"

    (attempt,) = incident["status"]["attempts"]
    assert attempt["action"] == "SetMemory"
    assert attempt["parameters"] == {"container": "server", "from": "64Mi", "to": limits(case_run.live())["server"]}
    assert attempt["verdict"] == "Healed"
    assert changes(attempt["diff"]) == ["memory: 64Mi", f"memory: {attempt['parameters']['to']}"]


@with_cases("oom-twice")
def test_a_raise_that_is_not_enough_is_taken_back_before_the_next(case_run):
    incident = case_run.closed()
    first, second = incident["status"]["attempts"]
    assert (first["verdict"], first["undone"], first["parameters"]["from"]) == ("NotHealed", True, "64Mi")
    assert (second["verdict"], second["undone"], second["parameters"]["from"]) == ("Healed", False, "64Mi")
    assert parse_bytes(first["parameters"]["to"]) < parse_bytes(second["parameters"]["to"]) <= parse_bytes("256Mi")
    assert limits(case_run.live()) == {"server": second["parameters"]["to"]}


@with_cases("bad-release", "two-bad-releases", "image-pull", "config-error", "rollout-stuck", "init-crash", "recreated")
def test_the_last_good_template_is_back_and_runs(case_run):
    incident = case_run.closed()
    live = case_run.live()
    assert template(live) == template(case_run.first)
    assert template(live) != template(case_run.broken)
    status, wanted = live["status"], live["spec"]["replicas"]
    assert (status["updatedReplicas"], status["availableReplicas"], status["replicas"]) == (wanted, wanted, wanted)
    (attempt,) = incident["status"]["attempts"]
    assert (attempt["action"], attempt["verdict"]) == ("RestoreTemplate", "Healed")


@with_cases("bad-release")
def test_a_rollback_changes_nothing_but_the_template(case_run):
    case_run.closed()
    live = case_run.live()
    assert marks(live, "annotations") == marks(case_run.broken, "annotations")
    assert marks(live, "labels") == marks(case_run.broken, "labels")
    rest, wished = copy.deepcopy(live["spec"]), copy.deepcopy(case_run.broken["spec"])
    del rest["template"], wished["template"]
    assert rest == wished
    assert live["metadata"]["generation"] == case_run.broken["metadata"]["generation"] + 1


@with_cases("by-hand")
def test_a_person_and_prunella_may_report_the_same_fault(case_run):
    case_run.closed()

    def over():
        phases = [incident.get("status", {}).get("phase") for incident in case_run.incidents()]
        return phases if set(phases) <= CLOSED else None

    assert set(until(over, 120, "all incidents are closed")) <= {"Healed", "Recovered"}
    case_run.assert_written(1)


@with_cases("two-bad-releases")
def test_a_release_that_never_worked_is_not_gone_back_to(case_run):
    incident = case_run.closed()
    assert "revision 1 " in incident["status"]["attempts"][0]["parameters"]["to"]


@with_cases("init-crash")
def test_the_init_container_is_named(case_run):
    decided = [note["message"] for note in case_run.closed()["status"]["evidence"] if note["source"] == "Decided by"]
    assert any("migrate" in message for message in decided), decided


@with_cases("recreated")
def test_our_own_snapshot_outlives_the_workload(case_run):
    incident = case_run.closed()
    assert case_run.live()["metadata"]["uid"] != case_run.first["metadata"]["uid"]
    assert incident["status"]["attempts"][0]["parameters"]["to"].startswith("snapshot checkout-prunella-")


@with_cases("first-release", "oom-at-max", "observed-only", "dry-run", "paused", "recovering", "gitops")
def test_the_workload_is_as_its_owner_left_it(case_run):
    case_run.closed()
    live = case_run.live()
    assert live["spec"] == case_run.broken["spec"]
    assert live["metadata"]["generation"] == case_run.broken["metadata"]["generation"]
    assert not [
        annotation for annotation in live["metadata"].get("annotations") or {} if annotation.startswith("prunella.dev/")
    ]
    assert not case_run.closed()["status"].get("attempts")


@with_cases("first-release")
def test_a_first_release_is_explained_by_its_own_words(case_run):
    status = case_run.closed()["status"]
    assert "CATALOG_URL" in status["message"]
    assert status["escalation"]["reason"] == "NoKnownGoodRevision"
    assert status["nextStep"]


@with_cases("oom-at-max")
def test_the_maximum_is_named(case_run):
    incident = case_run.closed()
    assert "64Mi" in incident["status"]["message"]
    assert "memoryMax" in incident["status"]["message"]
    assert limits(case_run.live()) == {"server": "64Mi"}
    assert condition(incident, "Escalated") == ("True", "MemoryAtMaximum")


@with_cases("dry-run", "observed-only", "gitops")
def test_what_would_be_done_is_shown_exactly(case_run):
    status = case_run.closed()["status"]
    assert status["plan"]
    changed = changes(status["diff"])
    if case_run.case.name == "dry-run":
        assert changed == ["memory: 64Mi", "memory: 128Mi"]
    else:
        assert changed.count("image: prunella.local/shop:1") == 1
        assert changed.count("image: prunella.local/shop:2") == 1


@with_cases("dry-run")
def test_a_dry_run_does_not_end_the_real_incident(case_run):
    case_run.closed()

    def asks():
        phases = [incident.get("status", {}).get("phase") for incident in case_run.incidents()]
        return sorted(map(str, phases)) == ["AwaitingApproval", "DryRunDone"]

    until(asks, 60, "Prunella's own incident waits for an answer")


@with_cases("observed-only")
def test_how_to_let_it_heal_is_said(case_run):
    step = f"kubectl label namespace {case_run.namespace} prunella.dev/heal=enabled"
    assert step in case_run.closed()["status"]["nextStep"]


@with_cases("opted-out")
def test_who_opts_out_is_left_alone(case_run):
    def crashing():
        states = [status for pod in case_run.live_pods() for status in pod["status"].get("containerStatuses", ())]
        return any(state["restartCount"] >= 3 for state in states)

    until(crashing, 120, "the pod has crashed several times", every=1)
    assert case_run.incidents() == []
    assert case_run.live()["spec"] == case_run.broken["spec"]
    case_run.assert_written(0)


@with_cases("paused")
def test_how_to_resume_is_said(case_run):
    command = f"kubectl rollout resume Deployment/recommendations -n {case_run.namespace}"
    assert case_run.closed()["status"]["nextStep"] == command
    assert case_run.live()["spec"]["paused"] is True


@with_cases("recovering")
def test_a_crash_that_ends_by_itself_was_one(case_run):
    case_run.closed()
    (pod,) = case_run.live_pods()
    (status,) = pod["status"]["containerStatuses"]
    assert (status["restartCount"], status["ready"]) == (2, True)


@with_cases("no-such-target")
def test_a_target_that_is_not_there_is_named(case_run):
    incident = case_run.closed()
    assert "nowhere" in incident["status"]["message"]
    assert condition(incident, "Succeeded") == ("False", "Failed")


@with_cases("gitops")
def test_git_gets_the_exact_change(case_run):
    incident = case_run.closed()
    assert "Argo CD" in incident["status"]["message"]
    assert re.search(r"in its source: roll back to revision 1 .*shop:1", incident["status"]["nextStep"])
    assert TRACKING in case_run.live()["metadata"]["annotations"]


@with_cases("dependency-down")
def test_what_a_release_needs_is_named_and_the_release_is_left_alone(case_run):
    incident = case_run.closed()
    assert case_run.live()["spec"] == case_run.broken["spec"]
    assert "Deployment/ledger is scaled to 0" in incident["status"]["message"]
    assert incident["status"]["causedBy"]["target"] == "Deployment/ledger"
    assert condition(incident, "Escalated") == ("True", "DependencyDown")


@with_cases(*(name for name, case in CASES.items() if case.writes and case.phase and not case.about))
def test_each_write_carries_its_reason(case_run, audit):
    case_run.closed()
    uids = [incident["metadata"]["uid"] for incident in case_run.incidents()]
    of_pods = ("/pods", "/pods/eviction")
    for write in [attempt for attempt in case_run.attempted() if attempt.resource not in of_pods]:
        assert (write.verb, write.manager) == ("patch", "prunella")
        stamps = [operation for operation in write.request if operation["path"].endswith("prunella.dev~1last-action")]
        assert [any(uid in stamp["value"] for uid in uids) for stamp in stamps] == [True]
        assert {"/metadata/uid"} <= {operation["path"] for operation in write.request if operation["op"] == "test"}
    assert {snapshot.verb for snapshot in case_run.snapshots()} <= {"create", "patch"}
