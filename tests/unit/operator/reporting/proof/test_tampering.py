"""Each way of tampering with exports or the audit log is found. An attacker without the key can renew the chain."""

import copy
import json
from pathlib import Path

import pytest
from fakes.proof import ACTION, PATH, UNDO, WORKER, an_event, at, by

from prunella_operator.json_text import InvalidFile
from prunella_operator.kubernetes.digest import digest
from prunella_operator.reporting.proof.finding import Kind
from prunella_operator.reporting.proof.signing import read_private_key, read_public_key
from prunella_workflows.model import labels

DOCS = Path(__file__).parents[5] / "docs" / "proof.md"
OTHER = "/apis/apps/v1/namespaces/shop/deployments/api"
EVE = "eve@example.com"


@pytest.fixture
def key(scene, make_keys):
    """The statements are signed; the check of their signatures."""
    private, public = make_keys("proof")
    scene.seal(read_private_key(private))
    return read_public_key(public)


def test_nothing_was_tampered_with(scene, key):
    proof = scene.verify(check=key)
    assert (proof.findings, proof.unchecked) == ((), ())
    assert (proof.statements, proof.writes, proof.events) == (2, 2, 5)


def test_each_kind_is_in_the_docs_and_found_by_a_test_here():
    page, here = DOCS.read_text(encoding="utf-8"), Path(__file__).read_text(encoding="utf-8")
    assert [kind for kind in Kind if f"`{kind}`" not in page] == []
    assert [kind for kind in Kind if f"Kind.{kind.name}" not in here] == []
    assert here.count("\ndef test_") >= 20


# The statements


def test_a_statement_removed(scene):
    del scene.statements[-1]
    assert scene.found() == {Kind.NO_STATEMENT}


def test_a_statement_removed_before_others(scene):
    del scene.statements[0]
    assert scene.found() == {Kind.CHAIN_BROKEN, Kind.NO_STATEMENT}


def test_a_statement_added(scene):
    scene.statements.append({**scene.statements[-1], "actionId": f"{ACTION}0"})
    scene.seal()
    assert scene.found() == {Kind.NO_WRITE, Kind.OTHER_PRECONDITION}


def test_a_statement_repeated(scene):
    scene.statements.append(copy.deepcopy(scene.statements[-1]))
    scene.seal()
    assert Kind.STATED_TWICE in scene.found()


def test_statements_reordered(scene):
    scene.statements.reverse()
    assert scene.found() == {Kind.CHAIN_BROKEN}


def test_another_action_id(scene):
    scene.change(2, actionId=f"{ACTION}0-undo")
    assert scene.found() == {Kind.NO_WRITE, Kind.NO_STATEMENT, Kind.OTHER_PRECONDITION}


def test_another_object(scene):
    scene.change(1, {"path": OTHER})
    assert Kind.OTHER_OBJECT in scene.found()


def test_another_object_of_an_undo(scene):
    scene.change(2, {"path": OTHER})
    assert Kind.OTHER_OBJECT in scene.found()


def test_another_namespace(scene):
    scene.change(2, {"path": PATH.replace("/shop/", "/billing/")})
    assert Kind.OTHER_OBJECT in scene.found()


def test_another_incident(scene):
    scene.change(1, incident={"namespace": "shop", "name": "web-1", "uid": "uid-other"})
    assert scene.found() == {Kind.OTHER_INCIDENT}


def test_another_change_in_words(scene):
    scene.change(1, {"change": "restart Deployment/web by a rolling update"})
    assert scene.found() == {Kind.OTHER_CHANGE}


def test_another_hash_of_the_patch(scene):
    scene.change(1, patch="0" * 64)
    assert scene.found() == {Kind.OTHER_CHANGE}


def test_another_precondition(scene):
    scene.change(1, {"precondition": {"uid": "uid-web", "templateHash": "hash-9", "lastAction": ""}})
    assert scene.found() == {Kind.OTHER_PRECONDITION}


def test_another_uid_in_the_precondition_of_an_undo(scene):
    scene.change(2, {"precondition": {"uid": "uid-other", "templateHash": "hash-3", "lastAction": ACTION}})
    assert scene.found() == {Kind.OTHER_PRECONDITION}


def test_a_repair_that_is_called_an_undo(scene):
    scene.change(1, order="undo")
    assert scene.found() == {Kind.OTHER_PRECONDITION}


def test_another_repair_that_is_undone(scene):
    scene.change(2, {"precondition": {"uid": "uid-web", "templateHash": "hash-3", "lastAction": f"{ACTION}0"}})
    assert scene.found() == {Kind.OTHER_PRECONDITION}


def test_another_version_that_was_read(scene):
    scene.change(1, read="generation 1")
    assert scene.found() == {Kind.OTHER_PRECONDITION}


def test_another_hash_of_the_policies(scene):
    scene.change(1, policies="0" * 64)
    assert scene.found() == {Kind.OTHER_POLICIES}


def test_another_hash_of_the_evidence(scene):
    scene.change(1, evidence="0" * 64)
    assert scene.found() == {Kind.OTHER_EVIDENCE}


def test_another_verdict(scene):
    scene.change(1, verdict="Healed")
    assert scene.found() == {Kind.OTHER_VERDICT}


def test_an_undo_denied(scene):
    scene.change(1, undone=False)
    assert scene.found() == {Kind.OTHER_VERDICT}


def test_another_time(scene):
    scene.change(1, writtenAt=at(11).isoformat())
    assert scene.found() == {Kind.OTHER_TIME}


@pytest.mark.parametrize("field", ["worker", "approvedBy", "orderedAt", "verdict", "unknown"])
def test_with_a_key_any_field_is_found(scene, key, field):
    scene.statements[0][field] = at(9).isoformat()
    assert Kind.BAD_SIGNATURE in scene.found(check=key)


def test_another_key(scene, key, make_keys):
    scene.seal(read_private_key(make_keys("eve")[0]))
    assert scene.found(check=key) == {Kind.BAD_SIGNATURE}


def test_no_signature(scene, key):
    del scene.statements[1]["signature"]
    assert scene.found(check=key) == {Kind.NOT_SIGNED}


def test_a_truncated_signature(scene, key):
    scene.statements[1]["signature"] = scene.statements[1]["signature"][:-2]
    assert scene.found(check=key) == {Kind.BAD_SIGNATURE}


# The rest of the export


def test_other_facts(scene):
    scene.export["diagnoses"][0]["facts"]["evidence"]["pods"] = []
    assert scene.found() == {Kind.OTHER_EVIDENCE}


def test_other_policies(scene):
    scene.export["diagnoses"][0]["facts"]["policies"] = []
    assert scene.found() == {Kind.OTHER_EVIDENCE, Kind.OTHER_POLICIES}


def test_another_plan(scene):
    scene.export["diagnoses"][0]["report"]["plan"]["steps"][0]["action"]["limitTo"] = 1 << 30
    assert scene.found() == {Kind.OTHER_CHANGE}


def test_another_status(scene):
    scene.export["status"]["attempts"][0] |= {"verdict": "Healed", "undone": False}
    assert scene.found() == {Kind.OTHER_VERDICT}


def test_an_export_of_another_cluster(scene):
    text = scene.write()[1].read_text().replace("uid-incident", "uid-far-away").replace("uid-web", "uid-other")
    scene.export = json.loads(text)
    scene.seal()
    assert {Kind.NO_WRITE, Kind.NO_STATEMENT} <= scene.found()


# The audit log


def test_a_write_removed_from_the_log(scene):
    del scene.log[2]
    assert scene.found() == {Kind.NO_WRITE}


def test_a_write_made_twice(scene):
    scene.log.insert(3, an_event(13, body=scene.patches[0]))
    assert scene.found() == {Kind.WRITTEN_TWICE}


def test_another_patch_in_the_log(scene):
    scene.patches[0][-1]["value"] = "1Gi"
    assert scene.found() == {Kind.OTHER_CHANGE}


@pytest.mark.parametrize("number", [1, 2])
def test_operations_beside_the_plan(scene, key, number):
    """Someone who holds the key states the hash of what was written."""
    scene.patches[number - 1].append({"op": "add", "path": "/spec/template/spec/hostNetwork", "value": True})
    scene.change(number, patch=digest(scene.patches[number - 1]))
    assert scene.found() == {Kind.OTHER_CHANGE}


@pytest.mark.parametrize(
    ("path", "value"),
    [("containers/0/resources/limits/memory", "1Gi"), ("containers/1/resources/limits/memory", "128Mi")],
)
def test_other_operations_than_planned(scene, path, value):
    scene.patches[0][-1] |= {"path": f"/spec/template/spec/{path}", "value": value}
    scene.change(1, patch=digest(scene.patches[0]))
    assert scene.found() == {Kind.OTHER_CHANGE}


def test_another_template_than_the_undo_names(scene):
    scene.patches[1][-1]["value"] = {"spec": {"containers": []}}
    scene.change(2, patch=digest(scene.patches[1]))
    assert scene.found() == {Kind.OTHER_CHANGE}


def test_a_mark_that_is_none_of_ours(scene):
    scene.patches[0].append({"op": "add", "path": "/metadata/annotations/sidecar.example.org~1inject", "value": "true"})
    scene.change(1, patch=digest(scene.patches[0]))
    assert scene.found() == {Kind.OTHER_CHANGE}


def test_another_time_in_the_log(scene):
    scene.log[2] |= {"requestReceivedTimestamp": "2026-03-04T12:04:00Z", "stageTimestamp": "2026-03-04T12:04:00Z"}
    assert scene.found() == {Kind.OTHER_TIME}


@pytest.mark.parametrize("verb", ["patch", "delete", "update"])
def test_a_write_without_a_statement(scene, verb):
    scene.log.insert(3, an_event(50, OTHER, {"spec": {"replicas": 0}}, verb=verb))
    assert scene.found() == {Kind.NO_STATEMENT}


def test_a_write_to_a_pod_without_a_statement(scene):
    scene.log.insert(3, an_event(12, "/api/v1/namespaces/shop/pods/web-a", {"preconditions": {}}, verb="delete"))
    assert scene.found() == {Kind.NO_STATEMENT}


def test_a_write_in_the_name_of_our_account(scene):
    scene.log.insert(
        3, by(EVE, 50, OTHER, {"spec": {}}, impersonatedUser={"username": scene.log[2]["user"]["username"]})
    )
    assert scene.found() == {Kind.NO_STATEMENT}


def test_our_own_write_in_the_name_of_our_account(scene):
    scene.log[2] |= {"user": {"username": EVE}, "impersonatedUser": {"username": WORKER}}
    assert scene.found() == {Kind.WRITTEN_BY_ANOTHER, Kind.NO_WRITE}


def test_a_pod_deleted_in_the_name_of_our_account(scene):
    pod = "/api/v1/namespaces/shop/pods/web-a"
    scene.log.insert(3, by(EVE, 12, pod, {}, verb="delete", impersonatedUser={"username": WORKER}))
    assert scene.found() == {Kind.NO_STATEMENT}


def test_a_write_of_our_account_in_the_name_of_another(scene):
    scene.log.insert(3, an_event(50, OTHER, {"spec": {}}, impersonatedUser={"username": EVE}))
    assert scene.found() == {Kind.NO_STATEMENT}


@pytest.mark.parametrize("query", ["fieldManager=dryRun=All", "xdryRun=All", "dryRun=", "fieldManager=a%26dryRun=All"])
def test_a_write_that_only_looks_like_a_rehearsal(scene, query):
    scene.log.insert(3, an_event(50, OTHER, {"spec": {}}, requestURI=f"{OTHER}?{query}"))
    assert scene.found() == {Kind.NO_STATEMENT}


def test_a_deletion_whose_body_has_options_is_no_rehearsal_by_its_query(scene):
    uri = f"{OTHER}?dryRun=All"
    scene.log.insert(3, an_event(50, OTHER, {"propagationPolicy": "Foreground"}, verb="delete", requestURI=uri))
    assert scene.found() == {Kind.NO_STATEMENT}


@pytest.mark.parametrize(
    "reference",
    [
        pytest.param({"apiGroup": "prunella.dev", "resource": "healingpolicies"}, id="a policy"),
        pytest.param({"apiGroup": "coordination.k8s.io", "resource": "leasecandidates"}, id="no Lease"),
        pytest.param({"apiGroup": "apps", "resource": "controllerrevisions", "name": "web-1"}, id="no snapshot"),
        pytest.param({"apiGroup": "other", "resource": "events"}, id="no Event"),
        pytest.param({"resource": "configmaps", "namespace": "shop", "name": "a"}, id="no track record"),
        pytest.param({}, id="no object"),
    ],
)
def test_a_write_that_only_resembles_our_own_kinds(scene, reference):
    scene.log.insert(3, an_event(50, OTHER, {"spec": {}}, objectRef=reference))
    assert scene.found() == {Kind.NO_STATEMENT}


RECORD = {"resource": "configmaps", "namespace": "prunella-records", "name": "prunella-record-1"}


@pytest.mark.parametrize("verb", ["delete", "deletecollection"])
def test_a_track_record_needs_no_statement_and_its_deletion_does(scene, verb):
    scene.log.insert(3, an_event(50, OTHER, {"data": {}}, objectRef=RECORD))
    assert scene.found() == set()
    scene.log.insert(4, an_event(51, OTHER, {}, objectRef=RECORD, verb=verb))
    assert scene.found() == {Kind.NO_STATEMENT}


@pytest.mark.parametrize("seconds", [11, 50])
def test_our_action_id_set_by_another(scene, seconds):
    forged = {"metadata": {"annotations": {labels.LAST_ACTION: UNDO}}}
    scene.log.append(by(EVE, seconds, body=forged))
    assert scene.found() == {Kind.WRITTEN_BY_ANOTHER}


def test_our_action_id_in_an_object_that_another_replaced_before_us(scene):
    forged = {"metadata": {"annotations": {labels.LAST_ACTION: UNDO}}, "spec": {}}
    scene.log.append(by(EVE, 50, body=forged, verb="update"))
    assert scene.found() == {Kind.WRITTEN_BY_ANOTHER}


def test_a_request_that_never_ends(scene):
    scene.log.insert(2, by(EVE, 11, OTHER, stage="RequestReceived"))
    with pytest.raises(InvalidFile, match=r"audit.log:3: request .* begins here and never ends: lines are missing"):
        scene.verify()


@pytest.mark.parametrize("lines", [slice(None, 3), slice(4, None)])
def test_a_log_that_was_cut_off(scene, lines):
    scene.log = scene.log[lines]
    with pytest.raises(InvalidFile, match=r"statement .: it is of 2026-.*, but the audit log is of 2026-"):
        scene.verify()


def test_a_line_that_was_inserted_again(scene):
    scene.log.append(scene.log[2])
    with pytest.raises(InvalidFile, match=r"audit.log:6: ResponseComplete of request .* is in .*audit.log:3 already"):
        scene.verify()
