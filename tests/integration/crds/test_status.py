"""The definitions, the status that they keep, and how kubectl shows both."""

import subprocess
import time
from datetime import timedelta

import pytest
from support.crds import DEFINITIONS, MERGE, NOW, PLURALS, POD, TARGETED, path_of, until, write_status

from prunella_workflows.model.incident_status import (
    Attempt,
    Condition,
    EscalationNote,
    EvidenceNote,
    GuardNote,
    IncidentStatus,
    Phase,
    Times,
    WorkflowLink,
)

pytestmark = pytest.mark.integration

FULL_STATUS = IncidentStatus(
    phase=Phase.HEALED,
    reason="Healed",
    message="rolled back to revision 3; healthy for 15s",
    observed_generation=1,
    conditions=(
        Condition(type="Diagnosed", status="True", reason="BadRelease", last_transition_time=NOW),
        Condition(type="Succeeded", status="True", reason="Healed", observed_generation=1, last_transition_time=NOW),
    ),
    target="Deployment/checkout",
    root_cause="bad_release",
    confidence="0.95",
    action="roll back to revision 3",
    healed_in="42s",
    fault="container server exited with code 1",
    evidence=(EvidenceNote(source="Pod/a", message="exit code 1"), EvidenceNote(source="Pod/b", message="exit code 1")),
    guards=(GuardNote(name="GitOps", held=False, reason="Passed"), GuardNote(name="Budget", held=True, reason="Spent")),
    attempts=(
        Attempt(
            number=1,
            action_id="incident-1/1",
            action="roll back to revision 3",
            target="Deployment/checkout",
            parameters={"to": "revision 3"},
            diff="-image: a\n+image: b\n" * 2000,
            started_at=NOW,
            written_at=NOW + timedelta(seconds=1),
            finished_at=NOW + timedelta(seconds=20),
            verdict="Healed",
            message="all replicas available",
        ),
    ),
    plan="1. roll back to revision 3",
    diff="-image: a\n+image: b\n",
    next_step="nothing to do",
    workflow=WorkflowLink(id="incident-1", run_id="r1"),
    trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
    times=Times(fault_at=NOW, detected_at=NOW, closed_at=NOW + timedelta(seconds=42)),
    escalation=EscalationNote(reason="NoGoodRevision", message="tried once", next_step="look", at=NOW),
)


def test_the_definitions_are_accepted_without_warnings(server, crds):
    for plural in PLURALS.values():
        found = server("GET", f"{DEFINITIONS}/{plural}.prunella.dev").ok()
        conditions = {condition["type"]: condition["status"] for condition in found["status"]["conditions"]}
        assert conditions["Established"] == "True"
        assert conditions["NamesAccepted"] == "True"
        # The server lists what is wrong with a schema in this condition; a good schema has none.
        assert "NonStructuralSchema" not in conditions


@pytest.mark.parametrize(
    "status",
    [
        pytest.param(IncidentStatus(), id="first visit"),
        pytest.param(FULL_STATUS, id="everything"),
        *[pytest.param(IncidentStatus(phase=phase), id=f"phase {phase}") for phase in Phase],
    ],
)
def test_every_status_the_models_can_write_is_kept_as_it_is(server, opened, status):
    incident, _ = opened
    stored = write_status(server, incident, status).ok()
    assert IncidentStatus.model_validate(stored["status"]) == status


def test_a_shorter_status_replaces_a_longer_one(server, opened):
    """Fields that the writer omits must go, conditions included."""
    incident, _ = opened
    write_status(server, incident, FULL_STATUS).ok()
    stored = write_status(server, incident, IncidentStatus()).ok()["status"]
    assert IncidentStatus.model_validate(stored) == IncidentStatus()


def test_spec_and_status_have_different_writers(server, opened):
    incident, patch = opened
    write_status(server, incident, FULL_STATUS).ok()
    path = f"{path_of('Incident', incident['metadata']['namespace'])}/{incident['metadata']['name']}"
    answer = server("PATCH", path, {"status": {"phase": "Failed"}}, MERGE).ok()
    assert answer["status"]["phase"] == "Healed"
    assert patch({"suspend": True}).ok()["metadata"]["generation"] == incident["metadata"]["generation"] + 1


def test_field_selectors_find_incidents(server, namespace, create):
    ours = create("Incident", TARGETED | {"severity": "Low", "type": "HighMemory"}, dry_run=False).ok()
    create("Incident", POD | {"severity": "Low", "type": "HighMemory"}, dry_run=False).ok()
    write_status(server, ours, FULL_STATUS).ok()

    def found(selector):
        items = server("GET", path_of("Incident", namespace), fieldSelector=selector).ok()["items"]
        return {item["metadata"]["name"] for item in items}

    name = ours["metadata"]["name"]
    assert len(found("spec.type=HighMemory")) == 2
    assert found("spec.type=HighMemory,spec.target.name=checkout") == {name}
    assert found("status.phase=Healed,spec.severity=Low") == {name}
    assert found("spec.type=HighMemory,status.phase!=Healed") == found("spec.type=HighMemory") - {name}


def test_the_table_that_kubectl_prints(server, opened):
    incident, _ = opened
    write_status(server, incident, FULL_STATUS).ok()
    where = incident["metadata"]
    path = f"{path_of('Incident', where['namespace'])}/{where['name']}"
    table = server("GET", path, accept="application/json;as=Table;v=v1;g=meta.k8s.io").ok()
    row = dict(
        zip(
            [columndefinition["name"] for columndefinition in table["columnDefinitions"]],
            table["rows"][0]["cells"],
            strict=True,
        )
    )
    assert row.pop("Age")
    assert row.pop("Detected").endswith(("d", "h", "y"))  # a fraction of a second is no obstacle
    assert row == {
        "Name": where["name"],
        "Phase": "Healed",
        "Reason": "Healed",
        "Cause": "bad_release",
        "Target": "Deployment/checkout",
        "Action": "roll back to revision 3",
        "Severity": "High",
        "Healed-In": "42s",
        "Workflow": "incident-1",
        "Trace": "4bf92f3577b34da6a3ce929d0e0e4736",
    }


def test_every_field_can_be_explained(server, crds):
    """`kubectl explain` reads this document."""

    def schemas():
        found = server("GET", "/openapi/v3/apis/prunella.dev/v1alpha1")
        return found.body.get("components", {}).get("schemas", {}) if found.code == 200 else {}

    names = {f"dev.prunella.v1alpha1.{kind}" for kind in PLURALS}
    until(lambda: names <= schemas().keys())

    def silent(node, path):
        own = [] if node.get("description") or path.count(".") == 0 else [path]
        below = [*node.get("properties", {}).items(), *(("[]", node[key]) for key in ("items",) if key in node)]
        return own + [field for name, child in below for field in silent(child, f"{path}.{name}")]

    assert [field for name in names for field in silent(schemas()[name], name.rpartition(".")[2])] == []


def test_kubectl_explains(crds, kubectl):
    command = kubectl("explain", "inc.spec.approval.decision")
    text = " ".join(subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.split())
    assert "Approved lets the repair proceed" in text


@pytest.mark.parametrize(
    "condition",
    [pytest.param("condition=Succeeded", id="condition"), pytest.param("jsonpath={.status.phase}=Healed", id="phase")],
)
def test_kubectl_waits_for_the_end(server, opened, kubectl, condition):
    incident, _ = opened
    opening = Condition(type="Succeeded", status="Unknown", reason="Open", last_transition_time=NOW)
    write_status(server, incident, IncidentStatus(conditions=(opening,))).ok()
    where = incident["metadata"]
    command = kubectl("wait", f"--for={condition}", "--timeout=20s", "-n", where["namespace"], f"inc/{where['name']}")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as waiting:
        time.sleep(1)
        assert waiting.poll() is None, "must wait while the incident is open"
        write_status(server, incident, FULL_STATUS).ok()
        said, _ = waiting.communicate(timeout=25)
    assert (waiting.returncode, "condition met" in said) == (0, True), said


def test_short_names_and_the_category_work(crds, namespace, opened, kubectl):
    name = opened[0]["metadata"]["name"]
    for word in ("inc", "incident", "prunella"):
        command = kubectl("get", word, "-n", namespace, "-o", "name")
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
        assert f"incident.prunella.dev/{name}" in done.stdout.splitlines()
