"""Incidents to their workflows: started once, waiting while Temporal is away, never lost in silence."""

import asyncio
import weakref
from datetime import UTC, datetime

import msgspec
import pytest
from fakes.apiserver import eventually
from fakes.kube import FakeRest, failing
from temporalio.client import WorkflowExecutionStatus
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from prunella_operator.incidents import sweeper, workflow_starter
from prunella_operator.incidents.sweeper import Sweeper
from prunella_operator.incidents.view import EscalationNote, IncidentView, Metadata, Status
from prunella_operator.incidents.workflow_starter import WorkflowStarter
from prunella_operator.kubernetes import paths
from prunella_operator.runtime.leader_election import NotLeader
from prunella_operator.tasks import end
from prunella_operator.temporal.rpc import TemporalUnavailable
from prunella_workflows.model import labels
from prunella_workflows.model.errors import InvalidIncident, Unavailable
from prunella_workflows.model.incident_status import Phase

PATH = paths.incidents("shop", "web-1")
ID = "incident-uid-web-1"


class FakeTemporal:
    """A client's methods that we use. Every call raises `error`; `status` is that of a workflow that has ended."""

    def __init__(self):
        self.started = {}
        self.said = []
        self.error = None
        self.status = WorkflowExecutionStatus.RUNNING
        self.service_client = self

    async def start_workflow(self, _run, request, **options):
        workflow_id = options["id"]
        self._fail()
        if self.status is not WorkflowExecutionStatus.RUNNING:
            raise WorkflowAlreadyStartedError(workflow_id, "SelfHealing")
        self.started.setdefault(workflow_id, (request, options))

    async def check_health(self):
        self._fail()

    def get_workflow_handle(self, workflow_id):
        temporal = self

        class Handle:
            async def signal(self, method, argument):
                temporal._say(workflow_id, method.__name__, argument)

            async def cancel(self):
                temporal._say(workflow_id, "cancel", None)

            async def describe(self):
                temporal._fail()
                return temporal

        return Handle()

    def _say(self, workflow_id, what, argument):
        self._fail()
        if workflow_id not in self.started:
            raise RPCError("no such workflow", RPCStatusCode.NOT_FOUND, b"")
        self.said.append((what, argument))

    def _fail(self):
        if self.error:
            raise self.error


AWAY = [
    RPCError("connection refused", RPCStatusCode.UNAVAILABLE, b""),
    RuntimeError("Failed client connect"),
    TimeoutError(),
]


TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def temporal():
    return FakeTemporal()


@pytest.fixture
def rest():
    return FakeRest()


@pytest.fixture
def subject(rest, temporal):
    return WorkflowStarter(rest, temporal, "prunella")


def put(rest, phase=None, name="web-1", annotations=None, spec=None, **status):
    meta = {"namespace": "shop", "creationTimestamp": "2026-11-24T12:00:00Z", "annotations": annotations or {}}
    spec = {"type": "OOMKilled", "target": {"kind": "Deployment", "name": "web"}, **(spec or {})}
    status = {"phase": phase, **status} if phase else status
    raw = rest.kube.put(paths.incidents("shop", name), {"metadata": meta, "spec": spec}, **status)
    return IncidentView.from_object(raw)


def read(rest):
    return IncidentView.from_object(rest.kube.objects[PATH])


def status(rest):
    return rest.kube.objects[PATH].get("status", {})


async def test_an_incident_starts_its_workflow_with_all_it_knows(subject, rest, temporal):
    times = {labels.DETECTED_AT: "2026-11-24T11:59:59+00:00", labels.FAULT_AT: "2026-11-24T11:59:58+00:00"}
    await subject.start(put(rest, annotations={**times, labels.TRACEPARENT: f"00-{TRACE}-b7ad6b7169203331-01"}))
    request, options = temporal.started[ID]
    assert request.incident.uid == "uid-web-1"
    assert request.spec.target.name == "web"
    assert (request.opened_at - request.detected_at).total_seconds() == 1
    assert (request.opened_at - request.fault_at).total_seconds() == 2
    assert (request.trace_id, options["task_queue"]) == (TRACE, "prunella")
    assert rest.kube.writes == []


async def test_a_workflow_that_was_lost_goes_on_from_the_attempts_in_the_status(subject, rest, temporal):
    attempt = {"number": 2, "actionId": "uid-web-1-2", "action": "SetMemory", "target": "Deployment/web"}
    attempt |= {"startedAt": "2026-11-24T12:00:01Z", "parameters": {"to": "96Mi"}, "diff": "-64Mi"}
    await subject.start(put(rest, phase="Verifying", attempts=[attempt], workflow={"id": ID}))
    (found,) = temporal.started[ID][0].attempts
    assert (found.number, found.action_id, found.parameters) == (2, "uid-web-1-2", {"to": "96Mi"})


async def test_started_twice_is_started_once(subject, rest, temporal):
    incident = put(rest)
    await subject.start(incident)
    await subject.start(incident)
    assert len(temporal.started) == 1


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase.closed])
async def test_a_closed_incident_is_left_alone(subject, rest, temporal, phase):
    incident = put(rest, phase)
    await subject.start(incident)
    await subject.update(incident, {})
    assert (temporal.started, temporal.said, rest.kube.requests) == ({}, [], [])


async def test_who_leads_no_longer_says_nothing_to_a_workflow(rest, temporal):
    def refuse():
        raise NotLeader("another one")

    incident = put(rest)
    subject = WorkflowStarter(rest, temporal, "prunella", may_act=refuse)
    for act in (subject.start(incident), subject.update(incident, {}), subject.cancel("uid-web-1")):
        with pytest.raises(NotLeader):
            await act
    assert (temporal.started, temporal.said, rest.kube.writes) == ({}, [], [])


@pytest.mark.parametrize("nonsense", ["yesterday", "", "2026-13-01"])
async def test_a_time_that_is_nonsense_is_no_reason_not_to_heal(subject, rest, temporal, nonsense):
    await subject.start(put(rest, annotations={labels.DETECTED_AT: nonsense}))
    assert temporal.started[ID][0].detected_at is None


async def test_an_incident_that_makes_no_sense_says_so(subject, rest):
    with pytest.raises(InvalidIncident, match=r"spec\.type"):
        await subject.start(put(rest, spec={"type": "Nonsense"}))
    assert (status(rest)["phase"], status(rest)["reason"]) == ("Failed", "InvalidIncident")
    (condition,) = status(rest)["conditions"]
    assert (condition["type"], condition["status"]) == ("Succeeded", "False")
    assert "closedAt" in status(rest)["times"]
    assert "open a new incident" in status(rest)["nextStep"]


# Temporal is away


@pytest.mark.parametrize("error", AWAY)
async def test_it_waits_and_says_why(subject, rest, temporal, error):
    temporal.error = error
    with pytest.raises(TemporalUnavailable):
        await subject.start(put(rest))
    assert (status(rest)["phase"], status(rest)["reason"]) == ("Pending", "TemporalUnavailable")
    assert subject.temporal_error
    temporal.error = None
    await subject.start(read(rest))
    assert ID in temporal.started
    assert not subject.temporal_error


async def test_it_says_so_once(subject, rest, temporal):
    temporal.error = AWAY[0]
    put(rest)
    for _ in range(3):
        with pytest.raises(TemporalUnavailable):
            await subject.start(read(rest))
    assert len(rest.kube.writes) == 1


@pytest.mark.parametrize("phase", ["Confirming", "AwaitingApproval", "Repairing", "Verifying"])
async def test_the_story_of_a_workflow_that_has_begun_is_not_overwritten(subject, rest, temporal, phase):
    incident = put(rest, phase, message="as it was")
    temporal.error = AWAY[0]
    with pytest.raises(TemporalUnavailable):
        await subject.start(incident)
    assert (status(rest)["phase"], status(rest)["message"]) == (phase, "as it was")


async def test_whoever_wrote_since_knows_more(subject, rest, temporal):
    """The patch names the version that was read, so that the API server can refuse it."""
    incident = put(rest)
    temporal.error = AWAY[0]
    with pytest.raises(TemporalUnavailable):
        await subject.start(incident)
    ((_, path, body),) = rest.kube.writes
    assert path == f"{PATH}/status"
    assert body["metadata"] == {"uid": "uid-web-1", "resourceVersion": incident.metadata.resource_version}


async def test_a_server_that_hangs_is_given_up(subject, rest, temporal, monkeypatch):
    monkeypatch.setattr(workflow_starter, "_REQUEST_TIMEOUT_SECONDS", 0.01)
    temporal.start_workflow = lambda *_, **__: asyncio.sleep(30)
    with pytest.raises(TemporalUnavailable):
        await subject.start(put(rest))


async def test_the_probe_tells_readiness(subject, temporal):
    temporal.error = AWAY[0]
    await subject.probe()
    assert subject.temporal_error == "connection refused"
    temporal.error = None
    await subject.probe()
    assert subject.temporal_error == ""


# A workflow that ended without closing its incident


@pytest.mark.parametrize(
    "how",
    [
        WorkflowExecutionStatus.TERMINATED,
        WorkflowExecutionStatus.FAILED,
        WorkflowExecutionStatus.TIMED_OUT,
        WorkflowExecutionStatus.CANCELED,
    ],
)
async def test_a_lost_workflow_is_told(subject, rest, temporal, how):
    temporal.status = how
    await subject.start(put(rest, "Verifying"))
    assert (status(rest)["phase"], status(rest)["reason"]) == ("Failed", "WorkflowLost")


async def test_a_workflow_that_closed_its_incident_a_moment_ago_is_not_lost(subject, rest, temporal):
    incident = put(rest, "Verifying")
    rest.kube.objects[PATH]["status"] = {"phase": "Cancelled"}
    temporal.status = WorkflowExecutionStatus.CANCELED
    await subject.start(incident)
    assert status(rest) == {"phase": "Cancelled"}


async def test_a_workflow_that_completed_is_not_lost(subject, rest, temporal):
    temporal.status = WorkflowExecutionStatus.COMPLETED
    await subject.start(put(rest, "Verifying"))
    assert status(rest)["phase"] == "Verifying"


# What people want


async def test_an_answer_is_passed_on(subject, rest, temporal):
    incident = put(rest, "AwaitingApproval", spec={"approval": {"decision": "Approved", "by": "alice"}})
    await subject.start(incident)
    await subject.update(incident, {})
    ((what, answer),) = temporal.said
    assert (what, answer.decision, answer.by) == ("approve", "Approved", "alice")


async def test_a_suspension_is_passed_on(subject, rest, temporal):
    incident = put(rest, "Verifying", spec={"suspend": True})
    await subject.start(incident)
    await subject.update(incident, {})
    assert temporal.said == [("suspend", True)]


async def test_a_resumption_is_passed_on(subject, rest, temporal):
    incident = put(rest, "Verifying", spec={"suspend": False})
    await subject.start(incident)
    await subject.update(incident, {"suspend": True})
    assert temporal.said == [("suspend", False)]


async def test_what_was_passed_on_before_is_not_repeated(subject, rest, temporal):
    """Every annotation of an Incident is a change; Temporal takes 10,000 signals per workflow."""
    wishes = {"suspend": True, "approval": {"decision": "Approved", "by": "alice"}, **TAKEN}
    incident = put(rest, "AwaitingApproval", spec=wishes)
    await subject.start(incident)
    await subject.update(incident, wishes)
    assert temporal.said == []


async def test_what_stops_comes_before_what_lets_go_on(subject, rest, temporal):
    wishes = {"suspend": True, "approval": {"decision": "Approved", "by": "alice"}}
    incident = put(rest, "AwaitingApproval", spec=wishes, annotations={labels.CANCEL: "true"})
    await subject.start(incident)
    await subject.update(incident, {})
    assert [what for what, _ in temporal.said] == ["cancel", "suspend", "approve"]


async def test_a_cancellation_is_passed_on(subject, rest, temporal):
    incident = put(rest, "Verifying", annotations={labels.CANCEL: "true"})
    await subject.start(incident)
    await subject.update(incident, {})
    assert temporal.said[0] == ("cancel", None)


ESCALATION = "escalation-uid-web-1"
TAKEN = {"acknowledged": {"by": "alice", "at": "2026-11-24T12:00:00Z"}}


async def test_who_will_take_over_is_passed_on_before_the_hand_over(subject, rest, temporal):
    incident = put(rest, "Verifying", spec=TAKEN)
    await subject.start(incident)
    await subject.update(incident, {})
    what, answer = temporal.said[-1]
    assert (what, answer.by, answer.at.isoformat()) == ("acknowledge", "alice", "2026-11-24T12:00:00+00:00")


@pytest.mark.parametrize(
    ("note", "spec", "annotations", "said"),
    [
        ({"reason": "x"}, TAKEN, {}, ["acknowledge"]),
        ({"reason": "x"}, {"acknowledged": {"by": "alice", "at": "soon"}}, {}, ["acknowledge"]),
        ({"reason": "x", "acknowledgedAt": "2026-11-24T12:00:00Z"}, TAKEN, {}, []),
        ({"reason": "x", "acknowledgedAt": "2026-11-24T12:00:00Z"}, TAKEN, {labels.CANCEL: "true"}, ["cancel"]),
        ({"reason": "x", "ended": "GaveUp"}, TAKEN, {labels.CANCEL: "true"}, []),
        (None, TAKEN, {}, []),
    ],
)
async def test_wishes_about_a_handed_over_incident_reach_its_escalation(
    subject, rest, temporal, *, note, spec, annotations, said
):
    temporal.started[ESCALATION] = None
    status = {"escalation": note} if note else {}
    incident = put(rest, "Escalated", spec=spec, annotations=annotations, **status)
    await subject.update(incident, {})
    assert [what for what, _ in temporal.said] == said


async def test_an_escalation_that_has_not_begun_hears_of_it_later(subject, rest, temporal, monkeypatch):
    incident = put(rest, "Escalated", spec=TAKEN, escalation={"reason": "x"})
    await subject.update(incident, {})
    assert temporal.said == []
    temporal.started[ESCALATION] = None
    await resynced(subject, lambda: temporal.said, monkeypatch)
    assert temporal.said[0][0] == "acknowledge"


async def test_a_wish_for_a_workflow_that_is_not_there_starts_it(subject, rest, temporal):
    await subject.update(put(rest, spec={"suspend": True}), {})
    assert ID in temporal.started


@pytest.mark.parametrize("error", AWAY)
async def test_a_wish_is_not_lost_while_temporal_is_away(subject, rest, temporal, error):
    temporal.error = error
    with pytest.raises(TemporalUnavailable):
        await subject.update(put(rest, "AwaitingApproval", spec={"suspend": True}), {})


async def test_a_deleted_incident_stops_its_workflow(subject, rest, temporal):
    await subject.start(put(rest))
    temporal.started[ESCALATION] = None
    await subject.cancel("uid-web-1")
    assert temporal.said == [("cancel", None)] * 2


async def test_a_deleted_incident_without_a_workflow_needs_nothing(subject):
    await subject.cancel("uid-never-started")


# Looking after all of them


async def resynced(subject, condition, monkeypatch):
    monkeypatch.setattr(sweeper, "RESYNC_INTERVAL_SECONDS", 0.01)
    task = asyncio.create_task(Sweeper(subject._rest, subject, ("shop",)).run())
    try:
        await eventually(condition)
    finally:
        await end(task)


async def test_what_was_missed_is_started(subject, rest, temporal, monkeypatch):
    put(rest, "Healed", name="done")
    put(rest)
    await resynced(subject, lambda: temporal.started, monkeypatch)
    assert set(temporal.started) == {ID}


@pytest.mark.parametrize(
    ("reason", "spec", "annotations", "said"),
    [
        ("ApprovalNeeded", {"approval": {"decision": "Approved", "by": "alice"}}, {}, "approve"),
        ("Suspended", {"suspend": False}, {}, "suspend"),
        ("Verifying", {}, {labels.CANCEL: "true"}, "cancel"),
    ],
)
async def test_what_people_said_unheard_is_signalled(
    subject, rest, temporal, monkeypatch, *, reason, spec, annotations, said
):
    put(rest, "Verifying", annotations=annotations, spec=spec, reason=reason)
    await resynced(subject, lambda: temporal.said, monkeypatch)
    assert {what for what, _ in temporal.said} == {said}


@pytest.mark.parametrize(
    ("reason", "spec"),
    [
        ("NotAnApprover", {"approval": {"decision": "Approved", "by": "mallory"}}),
        ("ApprovalNeeded", {"suspend": True}),
        ("Suspended", {"suspend": True}),
    ],
)
async def test_what_was_heard_costs_no_signal(subject, rest, temporal, monkeypatch, *, reason, spec):
    put(rest, "AwaitingApproval", spec=spec, reason=reason)
    await resynced(subject, lambda: temporal.started, monkeypatch)
    assert temporal.said == []


class Held(dict):
    """The spec of an incident, of which one can tell whether it is still held."""


async def test_those_that_are_over_are_not_held(subject, rest, monkeypatch):
    held, most = [], 0

    async def each(*_, **__):
        nonlocal most
        for _ in range(20):
            incident = IncidentView(
                Metadata("shop", "web-1", "u", "7", datetime(2026, 11, 24, 12, tzinfo=UTC)),
                spec=Held(),
                status=Status(Phase.HEALED, escalation=EscalationNote("Recovered")),
            )
            held.append(weakref.ref(incident.spec))
            most = max(most, sum(each() is not None for each in held))
            yield incident

    monkeypatch.setattr(rest, "each", each)
    await resynced(subject, lambda: len(held) >= 20, monkeypatch)
    assert most <= 2


async def test_what_is_looked_after_is_started_as_a_new_one_is(subject, rest, temporal, monkeypatch):
    """A resync reads less of an incident, but everything in its workflow's request."""
    marks = {labels.DETECTED_AT: "2026-11-24T11:59:59+00:00", labels.FAULT_AT: "2026-11-24T11:59:58+00:00"}
    marks |= {labels.TRACEPARENT: f"00-{TRACE}-b7ad6b7169203331-01", "team": "shop"}
    spec = {"severity": "Low", "containerName": "app", "metrics": {"memory": "1Gi"}, "mode": "DryRun"}
    await subject.start(put(rest, annotations=marks, spec=spec))
    known = temporal.started.pop(ID)
    await resynced(subject, lambda: temporal.started, monkeypatch)
    assert temporal.started[ID] == known


async def test_of_one_that_is_looked_after_no_more_than_needed_is_built(rest):
    managed = [{"manager": "prunella", "fieldsV1": {"f:spec": {}}}]
    put(rest, "Diagnosing", evidence=[{"source": "pod/a"}], workflow={"id": ID})
    whole = rest.kube.objects[PATH]
    whole["metadata"] = {**whole["metadata"], "managedFields": managed, "labels": {"team": "shop"}}
    built = msgspec.to_builtins(IncidentView.from_object(whole))
    assert (built["status"]["phase"], built["status"]["workflow"]) == ("Diagnosing", {"id": ID})
    assert "evidence" not in built["status"]
    assert "managedFields" not in built["metadata"]
    assert "team" not in built["metadata"]["labels"]


async def test_one_of_which_people_are_told_is_looked_after(subject, rest, temporal, monkeypatch):
    temporal.started[ESCALATION] = None
    put(rest, "Escalated", annotations={labels.CANCEL: "true"}, escalation={"ended": ""})
    await resynced(subject, lambda: temporal.said, monkeypatch)
    assert temporal.said[0] == ("cancel", None)


async def test_a_server_that_is_away_for_a_while(subject, rest, temporal, monkeypatch):
    put(rest)
    rest.kube.before = failing(Unavailable("away"), times=3)
    await resynced(subject, lambda: temporal.started, monkeypatch)


async def test_one_that_makes_no_sense_keeps_nobody_waiting(subject, rest, temporal, monkeypatch):
    put(rest, name="bad", spec={"type": "Nonsense"})
    put(rest)
    await resynced(subject, lambda: temporal.started, monkeypatch)


async def test_other_namespaces_have_their_own_prunella(subject, rest, temporal, monkeypatch):
    other = {
        "metadata": {"namespace": "billing", "creationTimestamp": "2026-11-24T12:00:00Z"},
        "spec": {"type": "Other"},
    }
    rest.kube.put(paths.incidents("billing", "theirs"), other)
    put(rest)
    await resynced(subject, lambda: temporal.started, monkeypatch)
    assert set(temporal.started) == {ID}


# Ending


@pytest.mark.parametrize("turned_into", [*AWAY, None])
async def test_a_cancellation_that_the_client_swallows_stays_one(subject, temporal, turned_into):
    """The real client raises its own error when its first connection is cancelled; its caller must end."""
    asked = asyncio.Event()

    async def check_health():
        asked.set()
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            if turned_into:
                raise turned_into from None

    temporal.check_health = check_health
    task = asyncio.create_task(subject.probe())
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
