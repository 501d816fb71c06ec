"""The status and the Events of an incident."""

import pytest
from builders import NOW
from fakes.kube import FakeKube, failing

from prunella_operator.activities.report import Reporter
from prunella_operator.kubernetes import paths
from prunella_workflows.contracts.healing import EventNote, ReportRequest
from prunella_workflows.model.errors import Conflict, Forbidden, NotFound, Unavailable
from prunella_workflows.model.incident import IncidentRef
from prunella_workflows.model.incident_status import Condition, IncidentStatus, Phase

REF = IncidentRef(namespace="shop", name="web-1", uid="uid-web-1")
PATH = paths.incidents("shop", "web-1")
WEB = "/apis/apps/v1/namespaces/shop/deployments/web"
EVENTS = "/apis/events.k8s.io/v1/namespaces/shop/events"


@pytest.fixture
def kube():
    fake = FakeKube()
    fake.put(PATH, {"metadata": {"generation": 3}})
    fake.put(WEB, {"apiVersion": "apps/v1", "metadata": {"uid": "uid-web"}})
    return fake


def a_note(**values):
    return EventNote(
        **{"key": "1-verified", "reason": "Verified", "action": "Verify", "note": "it is healthy", **values}
    )


def report(kube, *notes, ref=REF, **status):
    status = IncidentStatus(**{"phase": Phase.VERIFYING, "target": "Deployment/web", **status})
    Reporter(kube).report(ReportRequest(incident=ref, status=status, events=notes))


def posted(kube):
    return [body for _, path, body in kube.of("create") if path.startswith(EVENTS)]


def test_the_whole_status_is_applied_to_the_subresource_of_the_version_that_was_read(kube):
    version = kube.objects[PATH]["metadata"]["resourceVersion"]
    report(kube, message="waiting")
    ((_, path, body),) = kube.of("apply")
    assert path == f"{PATH}/status"
    assert body["metadata"] == {"name": "web-1", "namespace": "shop", "resourceVersion": version}
    assert (body["status"]["phase"], body["status"]["message"]) == ("Verifying", "waiting")


def test_status_and_conditions_say_which_generation_they_are_about(kube):
    condition = Condition(type="Diagnosed", status="True", reason="x", last_transition_time=NOW)
    report(kube, conditions=(condition,))
    status = kube.of("apply")[0][2]["status"]
    assert (status["observedGeneration"], status["conditions"][0]["observedGeneration"]) == (3, 3)


def test_an_incident_that_is_gone_is_not_found(kube):
    del kube.objects[PATH]
    with pytest.raises(NotFound):
        report(kube)


def test_a_namesake_is_not_the_incident(kube):
    with pytest.raises(NotFound, match="the same name but a different UID exists"):
        report(kube, a_note(), ref=REF.model_copy(update={"uid": "uid-before"}))
    assert kube.writes == []


def test_a_write_in_between_is_looked_at_and_written_again(kube):
    kube.before = failing(Conflict("moved"), times=3, method="PATCH")
    report(kube)
    assert len(kube.of("apply")) == 1


def test_an_incident_that_never_stands_still_is_tried_again_later(kube):
    kube.before = failing(Conflict("moved"), times=99, method="PATCH")
    with pytest.raises(Conflict, match="faster"):
        report(kube)


def test_an_event_is_about_the_incident_and_the_workload(kube):
    report(kube, a_note())
    (event,) = posted(kube)
    assert event["regarding"] | {"apiVersion": ""} == {
        "apiVersion": "",
        "kind": "Incident",
        "namespace": "shop",
        "name": "web-1",
        "uid": "uid-web-1",
    }
    assert event["related"]["kind"] == "Deployment"
    assert (event["reason"], event["action"], event["note"]) == ("Verified", "Verify", "it is healthy")
    assert event["reportingController"] == "prunella.dev/operator"
    assert event["eventTime"].endswith("Z")


def test_an_event_is_posted_once_however_often_it_is_told(kube):
    report(kube, a_note())
    report(kube, a_note())
    assert len(posted(kube)) == 1


@pytest.mark.parametrize("reason", ["Repaired", "Undone"])
def test_what_was_written_is_an_event_of_the_workload_too(kube, reason):
    for _ in range(2):
        report(kube, a_note(reason=reason))
    of_incident, of_workload = posted(kube)
    assert of_workload["regarding"] == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "namespace": "shop",
        "name": "web",
        "uid": "uid-web",
    }
    assert of_workload["related"] == of_incident["regarding"]
    assert (of_workload["type"], of_workload["note"]) == ("Normal", "Incident web-1: it is healthy")


def test_a_workload_that_is_gone_has_no_event(kube):
    del kube.objects[WEB]
    report(kube, a_note(reason="Repaired"))
    assert [event["regarding"]["kind"] for event in posted(kube)] == ["Incident"]


@pytest.mark.parametrize("other", [{"key": "2-verified"}, {"reason": "Diagnosed"}])
def test_another_event_has_another_name(kube, other):
    report(kube, a_note(), a_note(**other))
    assert len(posted(kube)) == 2


def test_a_namesakes_events_have_other_names(kube):
    report(kube, a_note())
    kube.objects[PATH]["metadata"]["uid"] = "uid-after"
    report(kube, a_note(), ref=REF.model_copy(update={"uid": "uid-after"}))
    assert len({event["metadata"]["name"] for event in posted(kube)}) == 2


@pytest.mark.parametrize("name", ["n" * 253, "n" * 199 + "." + "n" * 50])
def test_a_long_name_of_an_incident_still_makes_a_name_of_an_event(kube, name):
    kube.put(paths.incidents("shop", name), {})
    report(kube, a_note(), ref=IncidentRef(namespace="shop", name=name, uid=f"uid-{name}"))
    made = posted(kube)[0]["metadata"]["name"]
    assert len(made) <= 253
    assert ".." not in made


def test_a_long_note_is_cut_to_what_an_event_may_hold(kube):
    report(kube, a_note(note="x" * 5000))
    assert len(posted(kube)[0]["note"]) == 1024


def test_events_are_a_courtesy(kube):
    kube.before = failing(Forbidden("no events here"), part="/events")
    report(kube, a_note(), a_note(key="2"))
    assert len(posted(kube)) == 1
    assert len(kube.of("apply")) == 1


def test_a_server_that_goes_away_between_status_and_event_is_tried_again(kube):
    kube.before = failing(Unavailable("away"), part="/events")
    with pytest.raises(Unavailable):
        report(kube, a_note())
    report(kube, a_note())
    assert len(posted(kube)) == 1


def test_an_event_before_the_target_is_known_has_nothing_related(kube):
    report(kube, a_note(), target="")
    assert "related" not in posted(kube)[0]
