"""Cases that agree although they look odd, and those that are said to be unchecked."""

import json

import pytest
from builders import INCIDENT, a_memory_raise, a_precondition, a_restart, an_eviction
from fakes.proof import ACTION, PATH, an_event, an_order, at, by

from prunella_operator.reporting.proof.audit_log import read_audit_log
from prunella_operator.reporting.proof.comparison import is_about_pod
from prunella_operator.reporting.proof.finding import Kind
from prunella_operator.reporting.proof.statement import Statement, make_statements
from prunella_operator.reporting.recorded_orders import RecordedWork
from prunella_workflows.model import labels
from prunella_workflows.model.plan import PodRef, ResizePods
from prunella_workflows.model.workload import WorkloadRef

MI = 1 << 20
POD = "/api/v1/namespaces/shop/pods/web-2-a"
PODS = (PodRef(name="web-2-a", uid="uid-web-2-a"),)
UID = {"preconditions": {"uid": "uid-web-2-a"}}
STATEFUL = WorkloadRef(kind="StatefulSet", namespace="shop", name="db", uid="uid-db")


def notes(proof):
    return [note.message for note in proof.unchecked]


def a_statement(action, kind="repair"):
    order, _ = an_order(kind, action, ACTION, 10, 2)
    (made,) = make_statements(INCIDENT, [None], RecordedWork((order,), ()))
    return Statement.model_validate(made)


def test_a_log_without_bodies_is_matched_by_object_and_time(scene):
    for event in scene.log:
        event["level"] = "Metadata"
        event.pop("requestObject")
    proof = scene.verify()
    assert (proof.findings, proof.writes) == ((), 2)
    assert [note.split(": ")[0] for note in notes(proof)] == ["action id, precondition and patch"] * 2
    scene.log[3]["verb"] = "delete"
    assert scene.found() == {Kind.NO_WRITE, Kind.NO_STATEMENT}


def test_writes_of_others_that_cannot_be_read_are_counted(scene):
    scene.log += [by("eve", seconds, level="Metadata") for seconds in (50, 60)]
    proof = scene.verify()
    assert (proof.findings, notes(proof)) == (
        (),
        ["2 writes of others to stated objects: they have no request bodies"],
    )


@pytest.mark.parametrize("field", ["sent", "repaired"])
def test_a_statement_whose_order_was_repeated_or_failed(scene, field):
    statement = {"sent": {"read": "", "patch": ""}, "repaired": {"outcome": "Refused"}}[field]
    scene.change(1, **statement)
    proof = scene.verify()
    assert proof.findings == ()
    assert "an earlier attempt" in notes(proof)[0] if field == "sent" else "ended with Refused" in notes(proof)[0]


def test_a_webhook_may_change_the_template_that_we_write(scene):
    scene.change(1, templateHash="hash-9")
    assert scene.found() == set()
    scene.change(1, read="", patch="")
    assert scene.found() == {Kind.OTHER_CHANGE}


def test_an_order_that_was_refused_needs_no_write(scene):
    del scene.log[3]
    scene.change(2, outcome="ChangedSince")
    assert scene.found() == set()


def test_an_open_incident_has_no_verdict_yet(scene):
    del scene.export["status"]
    proof = scene.verify()
    assert proof.findings == ()
    assert set(notes(proof)) == {"the verdict: the incident was open when it was exported"}


def test_signatures_without_a_key_are_not_checked(scene):
    scene.seal(lambda _: "ab")
    assert set(notes(scene.verify())) == {"the signature: no public key was given"}


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(an_event(50, PATH, {}, responseStatus={"code": 409}), id="refused"),
        pytest.param(an_event(50, PATH, {}, stage="RequestReceived"), id="not over"),
        pytest.param(an_event(50, PATH, {}, requestURI=f"{PATH}?dryRun=All"), id="rehearsed"),
        pytest.param(
            an_event(50, PATH, {}, objectRef={"apiGroup": "prunella.dev", "resource": "incidents"}), id="ours"
        ),
        pytest.param(an_event(50, PATH, {}, objectRef={"resource": "events"}), id="an Event"),
        pytest.param(by("eve", 50, PATH, {"spec": {"paused": True}}), id="of a person"),
        pytest.param(by("eve", 50, PATH, ["nonsense", {"op": "add"}, {"op": "add", "path": 1}]), id="nonsense"),
    ],
)
def test_what_is_no_write_of_prunella(scene, event):
    scene.log.insert(3, event)
    scene.log[-1] |= {"requestReceivedTimestamp": "2026-03-04T12:01:00Z", "stageTimestamp": "2026-03-04T12:01:00Z"}
    assert scene.verify().findings == ()


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("update", {"metadata": {"annotations": {labels.LAST_ACTION: ACTION}}, "spec": {}}),
        ("patch", [{"op": "replace", "path": "/metadata/annotations", "value": {labels.LAST_ACTION: ACTION}}]),
    ],
)
def test_others_may_write_the_whole_object_after_us(scene, verb, body):
    scene.log.insert(3, by("eve", 50, PATH, body, verb=verb))
    assert scene.found() == set()


def test_another_account_and_another_namespace(scene):
    assert scene.found(accounts=("someone",)) == {Kind.NO_WRITE, Kind.WRITTEN_BY_ANOTHER}
    scene.log.append(an_event(50, PATH.replace("/shop/", "/billing/"), {}))
    assert scene.found(namespace="shop") == set()
    assert scene.found() == {Kind.NO_STATEMENT}


def test_statements_of_other_namespaces_do_not_count(scene):
    """The scope of the statements is that of the writes."""
    scene.change(1, verdict="Healed")
    proof = scene.verify(namespace="billing")
    assert (proof.findings, proof.statements, proof.writes, proof.stated_span) == ((), 0, 0, None)
    assert scene.found(namespace="shop") == {Kind.OTHER_VERDICT}


def test_the_times_that_log_and_statements_cover(scene):
    proof = scene.verify()
    assert (proof.log_span, proof.stated_span) == ((at(0), at(300)), (at(10), at(103)))


@pytest.mark.parametrize("body", [{"dryRun": ["All"]}, {}, {"propagationPolicy": "Orphan", "dryRun": ["All"]}])
def test_a_rehearsed_deletion(scene, body):
    uri = f"{PATH}?dryRun=All"
    scene.log.insert(3, an_event(50, PATH, body, verb="delete", requestURI=uri))
    assert scene.found() == set()


RESIZE = ResizePods(
    target=WorkloadRef(kind="Deployment", namespace="shop", name="web", uid="uid-web"),
    require=a_precondition(),
    container="app",
    limit_from=64 * MI,
    limit_to=96 * MI,
    pods=PODS,
)
TEST_UID = [{"op": "test", "path": "/metadata/uid", "value": "uid-web-2-a"}]


@pytest.mark.parametrize(
    ("action", "verb", "suffix", "body"),
    [
        pytest.param(RESIZE, "patch", "/resize", TEST_UID, id="resized"),
        pytest.param(an_eviction(), "create", "/eviction", {"deleteOptions": UID}, id="evicted"),
        pytest.param(a_memory_raise(replace_pods=PODS), "delete", "", UID, id="stuck"),
        pytest.param(a_restart(replace_pods=PODS), "delete", "", None, id="without a body"),
    ],
)
def test_pods_of_an_order(tmp_path, action, verb, suffix, body):
    def is_its(path, body, seconds=12, verb=verb):
        level = {"level": "Metadata"} if body is None else {}
        event = an_event(seconds, path, body, verb=verb, **level)
        (tmp_path / "log").write_text(json.dumps(event))
        (write,) = read_audit_log([tmp_path / "log"], lambda _: True).writes
        return is_about_pod(a_statement(action), write)

    assert is_its(POD + suffix, body)
    assert not is_its(POD + suffix, {})
    assert not is_its(f"{POD}{suffix}/status", body)
    assert not is_its(POD + suffix, body, seconds=300)
    assert not is_its(POD + suffix, body, verb="get-rid-of")


@pytest.mark.parametrize(
    ("kind", "name", "its"), [("undo", "db-0", True), ("undo", "db-a", False), ("repair", "db-0", False)]
)
def test_the_undo_of_a_stateful_set_deletes_its_broken_pods(tmp_path, kind, name, its):
    event = an_event(12, f"/api/v1/namespaces/shop/pods/{name}", UID, verb="delete")
    (tmp_path / "log").write_text(json.dumps(event))
    (write,) = read_audit_log([tmp_path / "log"], lambda _: True).writes
    assert is_about_pod(a_statement(a_memory_raise(target=STATEFUL), kind), write) is its


def test_times_of_the_clock_may_differ_a_little(scene):
    for seconds, found in ((-40, set()), (-70, {Kind.OTHER_TIME})):
        stamp = at(seconds).isoformat()
        scene.log[2] |= {"requestReceivedTimestamp": stamp, "stageTimestamp": stamp}
        assert scene.found() == found
