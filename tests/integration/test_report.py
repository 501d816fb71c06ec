"""The status and the Events of an incident on a real API server."""

from datetime import UTC, datetime

import pytest
from support.api import until
from support.deployments import a_deployment

from prunella_operator.activities.report import Reporter
from prunella_operator.incidents.view import IncidentView
from prunella_operator.incidents.workflow_starter import WorkflowStarter
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.access import load_access
from prunella_operator.kubernetes.async_client import AsyncClient
from prunella_operator.temporal.rpc import TemporalUnavailable
from prunella_workflows.contracts.healing import EventNote, ReportRequest
from prunella_workflows.model.errors import NotFound
from prunella_workflows.model.incident import IncidentRef
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

NOW = datetime(2026, 11, 24, 12, 0, 0, 250000, tzinfo=UTC)


@pytest.fixture
def quiet(api):
    """A namespace that an operator in the same cluster leaves alone."""
    body = {"generateName": "hands-", "labels": {"prunella.dev/ignore": "true"}}
    name = api.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": body})["metadata"][
        "name"
    ]
    yield name
    api.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture
def incident(api, quiet):
    return create(api, quiet)


@pytest.fixture
def reporter(recording_client):
    return Reporter(recording_client)


def create(api, namespace, name="web-1"):
    return api.create(
        paths.incidents(namespace),
        {
            "apiVersion": "prunella.dev/v1alpha1",
            "kind": "Incident",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"type": "OOMKilled", "target": {"kind": "Deployment", "name": "web"}, "suspend": True},
        },
    )


def ref_of(incident):
    meta = incident["metadata"]
    return IncidentRef(namespace=meta["namespace"], name=meta["name"], uid=meta["uid"])


def a_note(key="1", **values):
    return EventNote(**{"key": key, "reason": "Repaired", "action": "SetMemory", "note": "64Mi to 96Mi", **values})


def request(incident, *notes, **status):
    status = IncidentStatus(**{"phase": Phase.VERIFYING, "target": "Deployment/web", **status})
    return ReportRequest(incident=ref_of(incident), status=status, events=notes)


def live(api, incident):
    meta = incident["metadata"]
    return api.get(paths.incidents(meta["namespace"], meta["name"]))


def events(api, namespace):
    found = api.items(f"/apis/events.k8s.io/v1/namespaces/{namespace}/events")
    return [item for item in found if item["regarding"]["kind"] == "Incident"]


def everything():
    """A status with all fields set, at their maximum size."""
    attempt = Attempt(
        number=1,
        action_id="u-1",
        action="SetMemory",
        target="Deployment/web",
        parameters={"container": "app", "from": "64Mi", "to": "96Mi"},
        diff="-64Mi\n+96Mi",
        started_at=NOW,
        written_at=NOW,
        finished_at=NOW,
        verdict="NotHealed",
        undone=True,
    )
    return {
        "conditions": (Condition(type="Diagnosed", status="True", reason="x", message="m", last_transition_time=NOW),),
        "root_cause": "pod_oom_killed",
        "confidence": "95%",
        "evidence": tuple(EvidenceNote(source=f"Pod {n}", message="x" * 600) for n in range(20)),
        "guards": (GuardNote(name="Mode", held=False, reason="Passed"),),
        "attempts": (attempt,) * 3,
        "plan": "set memory",
        "diff": "d" * 8000,
        "workflow": WorkflowLink(id="incident-u", run_id="r"),
        "trace_id": "abc",
        "times": Times(detected_at=NOW, closed_at=NOW),
        "escalation": EscalationNote(reason="AttemptsExhausted", message="m", at=NOW),
    }


def test_the_whole_status_is_kept_as_it_was_told(reporter, api, incident):
    asked = request(incident, **everything())
    reporter.report(asked)
    found = live(api, incident)
    told = IncidentStatus.model_validate(found["status"])
    conditions = tuple(condition.model_copy(update={"observed_generation": 1}) for condition in asked.status.conditions)
    assert told == asked.status.model_copy(update={"observed_generation": 1, "conditions": conditions})
    assert [
        managedfield["manager"]
        for managedfield in found["metadata"]["managedFields"]
        if managedfield.get("subresource")
    ] == ["prunella"]


def test_what_is_no_longer_so_is_no_longer_told(reporter, api, incident):
    reporter.report(request(incident, **everything()))
    reporter.report(request(incident, phase=Phase.HEALED))
    told = IncidentStatus.model_validate(live(api, incident)["status"])
    assert told == IncidentStatus(phase=Phase.HEALED, target="Deployment/web", observed_generation=1)


def test_a_report_that_says_nothing_new_writes_nothing_new(reporter, api, incident):
    reporter.report(request(incident, a_note()))
    before = live(api, incident)["metadata"]["resourceVersion"]
    reporter.report(request(incident, a_note()))
    assert live(api, incident)["metadata"]["resourceVersion"] == before


def test_the_spec_of_a_person_is_never_touched(reporter, api, incident):
    reporter.report(request(incident))
    after = live(api, incident)
    assert (after["spec"], after["metadata"]["generation"]) == (incident["spec"], 1)


def test_an_event_is_posted_once_and_kubectl_finds_it(reporter, cluster, api, incident):
    for _ in range(3):
        reporter.report(request(incident, a_note(), a_note("2", type="Warning", reason="Escalated")))
    namespace = incident["metadata"]["namespace"]
    assert sorted((event["reason"], event["type"]) for event in events(api, namespace)) == [
        ("Escalated", "Warning"),
        ("Repaired", "Normal"),
    ]
    shown = until(lambda: _described(cluster, namespace), 90, "kubectl describe shows it")
    assert "64Mi to 96Mi" in shown


def test_what_was_written_is_shown_by_describe_of_the_workload(reporter, cluster, api, quiet):
    api.apply(a_deployment(quiet))
    incident = create(api, quiet)
    reporter.report(request(incident, a_note()))

    def described():
        return "Incident web-1: 64Mi to 96Mi" in cluster.kubectl("describe", "deployment", "web", "-n", quiet)

    until(described, 90, "kubectl describe shows it")


def _described(cluster, namespace):
    text = cluster.kubectl("describe", "incident", "web-1", "-n", namespace)
    return text if "64Mi to 96Mi" in text else None


@pytest.mark.parametrize("name", ["n" * 253, "n" * 199 + "." + "n" * 53, "n" * 198 + ".n" + "n" * 53])
def test_events_of_an_incident_with_the_longest_name(reporter, api, quiet, name):
    incident = create(api, quiet, name)
    reporter.report(request(incident, a_note(note="n" * 5000)))
    (event,) = events(api, quiet)
    assert len(event["note"]) == 1024


def test_an_incident_that_was_deleted_is_not_found(reporter, recording_client, api, incident):
    api.delete(paths.incidents(incident["metadata"]["namespace"], "web-1"))
    with pytest.raises(NotFound):
        reporter.report(request(incident, a_note()))
    assert recording_client.writes == []


def test_another_incident_of_the_same_name_is_not_found(reporter, recording_client, api, incident):
    namespace = incident["metadata"]["namespace"]
    api.delete(paths.incidents(namespace, "web-1"))
    create(api, namespace)
    with pytest.raises(NotFound):
        reporter.report(request(incident, a_note()))
    assert (recording_client.writes, "status" in live(api, incident)) == ([], False)


def test_one_that_takes_its_place_between_our_look_and_our_write_is_not_written_to(
    reporter, recording_client, run_once_around, api, incident
):
    namespace = incident["metadata"]["namespace"]

    def replace():
        api.delete(paths.incidents(namespace, "web-1"))
        create(api, namespace)

    run_once_around("before", replace, verb="apply")
    with pytest.raises(NotFound):
        reporter.report(request(incident))
    assert ("status" in live(api, incident), recording_client.writes) == (False, [])


def test_a_persons_answer_between_our_look_and_our_write_is_kept(reporter, run_once_around, api, incident):
    path = paths.incidents(incident["metadata"]["namespace"], "web-1")
    run_once_around("before", lambda: api.patch(path, {"spec": {"approval": {"decision": "Approved"}}}), verb="apply")
    reporter.report(request(incident))
    after = live(api, incident)
    assert (after["spec"]["approval"]["decision"], after["status"]["phase"]) == ("Approved", "Verifying")
    assert after["status"]["observedGeneration"] == 2, "the status is about the spec that it saw"


class Away:
    """A Temporal that does not answer."""

    async def start_workflow(self, *_, **__):
        raise RuntimeError("Failed client connect")


async def test_waiting_for_temporal_is_told_and_the_workflows_first_report_takes_over(cluster, reporter, api, incident):
    access = load_access(str(cluster.kubeconfig), cluster.context)
    async with AsyncClient(access) as rest:
        starter = WorkflowStarter(rest, Away(), "prunella")
        with pytest.raises(TemporalUnavailable):
            await starter.start(IncidentView.from_object(incident))
        waiting = live(api, incident)
        assert (waiting["status"]["phase"], waiting["status"]["reason"]) == ("Pending", "TemporalUnavailable")
        reporter.report(request(incident, phase=Phase.CONFIRMING, reason="", message=""))
        told = IncidentStatus.model_validate(live(api, incident)["status"])
        assert (told.phase, told.reason, told.message) == (Phase.CONFIRMING, "", "")
        with pytest.raises(TemporalUnavailable):
            await starter.start(IncidentView.from_object(waiting))  # with what it saw before
    assert live(api, incident)["status"]["phase"] == "Confirming"
