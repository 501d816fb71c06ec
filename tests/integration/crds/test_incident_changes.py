"""Changes of an Incident after its creation: which are refused and which are not."""

import pytest
from support.crds import GROUP, MERGE, TARGETED, path_of

from prunella_workflows.model.incident_status import Phase

pytestmark = pytest.mark.integration

OTHER_SUBJECTS = [
    pytest.param({"target": {"name": "cart"}}, "spec.target cannot change", id="another name"),
    pytest.param({"target": {"kind": "DaemonSet"}}, "spec.target cannot change", id="another kind"),
    pytest.param({"target": None, "podName": "a"}, "spec.podName cannot change", id="a pod instead"),
    pytest.param({"containerName": "other"}, "spec.containerName cannot change", id="another container"),
    pytest.param({"containerName": None}, "spec.containerName cannot change", id="no container"),
    pytest.param({"type": "HighCPU"}, "spec.type cannot change", id="another type"),
]


@pytest.mark.parametrize(("change", "words"), OTHER_SUBJECTS)
def test_what_an_incident_is_about_cannot_change(opened, change, words):
    _, patch = opened
    assert words in patch(change).refusal


def test_a_container_cannot_be_added_later(server, namespace, create):
    name = create("Incident", TARGETED, dry_run=False).ok()["metadata"]["name"]
    answer = server("PATCH", f"{path_of('Incident', namespace)}/{name}", {"spec": {"containerName": "a"}}, MERGE)
    assert "spec.containerName cannot change" in answer.refusal


def test_what_people_know_and_want_can_change(opened):
    _, patch = opened
    spec = patch({"suspend": True, "severity": "Low", "description": "known"}).ok()["spec"]
    assert (spec["suspend"], spec["severity"]) == (True, "Low")


@pytest.mark.parametrize(("mode", "other"), [("Heal", "DryRun"), ("DryRun", "Heal"), ("DryRun", None)])
def test_how_far_prunella_goes_cannot_change(server, namespace, create, mode, other):
    name = create("Incident", TARGETED | {"mode": mode}, dry_run=False).ok()["metadata"]["name"]
    answer = server("PATCH", f"{path_of('Incident', namespace)}/{name}", {"spec": {"mode": other}}, MERGE)
    assert "spec.mode cannot change after creation" in answer.refusal


@pytest.mark.parametrize(("first", "second"), [("Approved", "Rejected"), ("Rejected", "Approved")])
def test_a_decision_stands(opened, first, second):
    _, patch = opened
    patch({"approval": {"decision": first, "by": "alice@example.org"}}).ok()
    assert (
        f"spec.approval.decision is already {first} and is final"
        in patch({"approval": {"decision": second, "by": "alice@example.org"}}).refusal
    )
    assert "is final" in patch({"approval": None}).refusal
    patch({"approval": {"decision": first, "reason": "said twice is fine"}}).ok()


def test_another_person_may_answer_otherwise(opened):
    """The policy's approvers decide whose answer counts: one that does not must not lock others out."""
    _, patch = opened
    patch({"approval": {"decision": "Rejected", "by": "mallory@example.org"}}).ok()
    answer = {"decision": "Approved", "by": "bob@example.org", "groups": ["sre"]}
    assert patch({"approval": answer}).ok()["spec"]["approval"] == answer


@pytest.mark.parametrize("phase", sorted(phase.value for phase in Phase))
def test_it_is_too_late_for_an_answer_to_a_closed_incident(opened, kube, phase):
    incident, patch = opened
    path = f"{GROUP}/namespaces/{incident['metadata']['namespace']}/incidents/{incident['metadata']['name']}/status"
    kube.merge_patch(path, {"status": {"phase": phase}})
    answer = patch({"approval": {"decision": "Approved", "by": "alice@example.org"}})
    if Phase(phase).closed:
        assert f"too late, the incident is closed ({phase})" in answer.refusal
        patch({"suspend": True}).ok()
    else:
        answer.ok()
