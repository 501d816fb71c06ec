"""The activities of AlertHandling on an API server in memory: enriching, opening, joining, following, withdrawing."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from fakes.alertmanager import FakeAlertmanager
from fakes.kube import FakeKube, FakeRest, failing
from fakes.objects import WEB, a_cluster, a_deployment, a_pod, a_replica_set, a_template
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from prunella_operator import clock
from prunella_operator.activities.alerts.activities import AlertActivitiesImpl
from prunella_operator.activities.alerts.alertmanager import Alertmanager
from prunella_operator.activities.alerts.enrichment import link
from prunella_operator.activities.evidence.collector import EvidenceCollector
from prunella_operator.incidents.intake import Intake
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.views.workloads import workload_key
from prunella_workflows.contracts.alerts import (
    AlertState,
    EnrichRequest,
    FollowRequest,
    OpenRequest,
    Outcome,
    RecordRequest,
    SilenceRequest,
    UnsilenceRequest,
    WithdrawRequest,
)
from prunella_workflows.model.alert import Alert, AlertStatus
from prunella_workflows.model.alert_policy import AlertHandlingMode
from prunella_workflows.model.errors import Forbidden, Unavailable
from prunella_workflows.model.incident import IncidentType
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.model.labels import (
    ALERT_PREFIX,
    ALERT_RESOLVED_AT,
    CANCEL,
    FAULT_AT,
    RECOVERED_AT,
    SOURCE,
    WITHDRAWN_BY_ALERT,
    WORKLOAD,
)
from prunella_workflows.model.signal import Signal

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
INCIDENTS = paths.incidents("shop")
HEAL, NOTIFY = AlertHandlingMode.HEAL, AlertHandlingMode.NOTIFY


@pytest.fixture
def moment(monkeypatch):
    class Moment:
        now = NOW

    monkeypatch.setattr(clock, "now", lambda: Moment.now)
    return Moment


@pytest.fixture
def kube(moment):
    found = FakeKube()
    return a_cluster(found, a_deployment(a_template(1)), [a_replica_set(1)], [a_pod("web-a"), a_pod("web-b")])


@pytest.fixture
def activities(kube):
    return AlertActivitiesImpl(kube, FakeRest(kube), EvidenceCollector(kube, 30.0), ("prunella-system",), None)


def an_alert(name="KubePodCrashLooping", fingerprint="f1", **values):
    labels = values.pop("labels", {"pod": "web-a"})
    return Alert(
        **{
            "fingerprint": fingerprint,
            "status": AlertStatus.FIRING,
            "labels": {"alertname": name, "namespace": "shop", "severity": "critical", **labels},
            "annotations": {"summary": "It crashes.", "runbook_url": "https://runbooks.example.org/crash"},
            "starts_at": NOW - timedelta(minutes=5),
            "generator_url": "http://prometheus:9090/graph?g0.expr=up",
            **values,
        }
    )


def run(activity, request):
    result = ActivityEnvironment().run(activity, request)
    return asyncio.run(result) if asyncio.iscoroutine(result) else result


def enrich(activities, alert):
    return run(activities.enrich, EnrichRequest(alert=alert))


def open_(activities, alert=None):
    alert = alert or an_alert()
    return run(activities.open, OpenRequest(alert=alert, enriched=enrich(activities, alert), observed_at=NOW))


def incidents(kube):
    return [incident for path, incident in kube.objects.items() if path.startswith(f"{INCIDENTS}/")]


def stands(kube, phase, **status):
    (incident,) = incidents(kube)
    incident["status"] = {"phase": phase.value, **status}
    return incident


def facts(enriched, source):
    return [fact.message for fact in enriched.facts if fact.source == source]


def a_policy(kube, name="alerts", **spec):
    kube.put(f"{paths.policies()}/{name}", {"metadata": {}, "spec": spec})


# Enriching


def test_an_alert_is_told_with_all_that_is_known(activities, kube):
    kube.objects[paths.workload(WEB)]["metadata"]["labels"] = {"team": "checkout"}
    found = enrich(activities, an_alert())
    assert (found.target, found.classified.handling) == (WEB, HEAL)
    assert (found.runbook, found.source) == (
        "https://runbooks.example.org/crash",
        "http://prometheus:9090/graph?g0.expr=up",
    )
    assert facts(found, "Owner") == ["team: checkout"]
    assert facts(found, "Release") == ["revision 1 (registry.example/web:1), 4h ago"]
    assert facts(found, "Rule") == ["built-in rule"]
    assert "no Prometheus is configured" in facts(found, "Usage")[0]


def test_earlier_incidents_are_told_open_ones_first(activities, kube):
    labels = {WORKLOAD: workload_key(WEB)}
    for name, phase, made in (
        ("old", "Healed", "2026-11-24T09:00:00Z"),
        ("open", "Verifying", "2026-11-24T08:00:00Z"),
        ("new", "Escalated", "2026-11-24T11:00:00Z"),
        ("oldest", "Healed", "2026-11-24T07:00:00Z"),
    ):
        meta = {"namespace": "shop", "labels": labels, "creationTimestamp": made}
        body = {"metadata": meta, "spec": {"target": {"kind": "Deployment", "name": "web"}}}
        kube.put(f"{INCIDENTS}/{name}", body, phase=phase, rootCause="pod_oom_killed", action="SetMemory")
    assert facts(enrich(activities, an_alert()), "Incident") == [
        "open: Verifying, pod_oom_killed, by SetMemory, opened 4h ago",
        "new: Escalated, pod_oom_killed, by SetMemory, opened 1h ago",
        "old: Healed, pod_oom_killed, by SetMemory, opened 3h ago",
    ]


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        ({"deployment": "web"}, "Deployment"),
        ({"workload": "web"}, "Deployment"),
        ({"workload": "web", "workload_type": "deployment"}, "Deployment"),
        ({"horizontalpodautoscaler": "web"}, "Deployment"),
        ({"pod": "web-b"}, "Deployment"),
    ],
    ids=str,
)
def test_the_workload_is_found(activities, kube, labels, kind):
    scaled = {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": kind, "name": "web"}}
    kube.put(paths.autoscalers("shop", "web"), {"metadata": {"namespace": "shop"}, "spec": scaled})
    assert enrich(activities, an_alert("KubePodNotReady", labels=labels)).target == WEB


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({"pod": "gone"}, "there is no Pod/gone in namespace shop"),
        ({"deployment": "gone", "pod": "web-a"}, "there is no Deployment/gone in namespace shop"),
        ({"workload": "gone"}, "there is no Deployment/gone or StatefulSet/gone or DaemonSet/gone in namespace shop"),
        ({"horizontalpodautoscaler": "gone"}, "there is no HorizontalPodAutoscaler/gone in namespace shop"),
        ({"workload": "twice"}, "several workloads have the name: Deployment/twice, StatefulSet/twice"),
    ],
    ids=str,
)
def test_a_workload_that_is_not_there_is_told(activities, kube, labels, said):
    for plural in ("deployments", "statefulsets"):
        body = {"metadata": {"namespace": "shop", "uid": plural}}
        kube.put(f"/apis/apps/v1/namespaces/shop/{plural}/twice", body)
    found = enrich(activities, an_alert("KubePodNotReady", labels=labels))
    assert found.target is None
    assert said in facts(found, "Note")


def test_an_autoscaler_of_something_unknown_is_told(activities, kube):
    scaled = {"scaleTargetRef": {"apiVersion": "argoproj.io/v1", "kind": "Rollout", "name": "../../x"}}
    kube.put(paths.autoscalers("shop", "web"), {"metadata": {"namespace": "shop"}, "spec": scaled})
    found = enrich(activities, an_alert("KubeHpaMaxedOut", labels={"horizontalpodautoscaler": "web"}))
    assert found.target is None
    assert any("Rollout is not a kind of workload" in fact for fact in facts(found, "Note"))


def test_rules_of_policies_decide_and_name_secrets_of_our_own_namespace(activities, kube):
    rule = {"name": "all", "alertname": ".*", "handling": "Notify", "channels": ["shop-chat"]}
    a_policy(kube, alerts={"rules": [rule], "ticket": "jira"})
    found = enrich(activities, an_alert()).classified
    assert (found.handling, found.channels, found.ticket) == (
        NOTIFY,
        ("prunella-system/shop-chat",),
        "prunella-system/jira",
    )


@pytest.mark.parametrize(("stage", "handling"), [("production", NOTIFY), ("test", HEAL)])
def test_a_policy_is_for_the_namespaces_it_selects(activities, kube, stage, handling):
    kube.objects["/api/v1/namespaces/shop"]["metadata"]["labels"] = {"stage": stage}
    selector = {"matchLabels": {"stage": "production"}}
    rule = {"name": "all", "alertname": ".*", "handling": "Notify"}
    a_policy(kube, namespaceSelector=selector, alerts={"rules": [rule]})
    assert enrich(activities, an_alert()).classified.handling is handling
    unknown = an_alert(labels={"pod": "web-a", "namespace": "unknown"})
    assert enrich(activities, unknown).classified.handling is HEAL


def test_a_policy_for_others_that_cannot_be_read_does_not_matter(activities, kube):
    selector = {"matchLabels": {"stage": "production"}}
    a_policy(kube, namespaceSelector=selector, alerts={"rules": [{"name": "x", "alertname": "("}]})
    assert enrich(activities, an_alert()).classified.handling is HEAL


def test_a_policy_that_cannot_be_read_heals_nothing(activities, kube):
    a_policy(kube, alerts={"rules": [{"name": "x", "alertname": "("}]})
    found = enrich(activities, an_alert())
    assert found.classified.handling is NOTIFY
    assert "policy alerts cannot be read (spec.alerts.rules.0.alertname), so this alert starts no repair" in facts(
        found, "Note"
    )


def test_policies_that_may_not_be_read_heal_nothing(activities, kube):
    kube.before = failing(Forbidden("not allowed"), 9, part="clusterhealingpolicies")
    assert enrich(activities, an_alert()).classified.handling is NOTIFY


def test_an_api_server_that_is_away_is_asked_again(activities, kube):
    kube.before = failing(Unavailable("away"), 1)
    with pytest.raises(ApplicationError) as raised:
        enrich(activities, an_alert())
    assert not raised.value.non_retryable


def test_what_cannot_be_had_is_said_and_the_rest_is_told(activities, kube):
    kube.before = failing(Forbidden("not allowed"), 9, part="replicasets")
    found = enrich(activities, an_alert(labels={"deployment": "web"}))
    assert found.target == WEB
    assert facts(found, "Release") == ["(cannot be read: not allowed)"]
    assert found.classified.handling is HEAL


def a_telemetry_alert(pods="uid-web-a uid-web-b", **labels):
    labels = {"deployment": "web", **labels}
    return an_alert("TelemetryErrorRate", labels=labels, annotations={"origin": "shop/web", "pods": pods})


def test_telemetry_of_pods_of_its_workload_may_start_a_repair(activities, kube):
    assert enrich(activities, a_telemetry_alert()).classified.handling is HEAL


@pytest.mark.parametrize(
    ("alert", "reason"),
    [
        (a_telemetry_alert(pods=""), "names no pods"),
        (
            a_telemetry_alert(pods="uid-web-a uid-invented"),
            "1 of 2 pods that telemetry names are not of",
        ),
        (a_telemetry_alert(deployment="elsewhere"), "a workload that does not exist"),
    ],
    ids=["no pods", "a pod that is not there", "no workload"],
)
def test_forged_telemetry_is_only_told(activities, kube, alert, reason):
    found = enrich(activities, alert)
    assert found.classified.handling is NOTIFY
    assert any(reason in fact for fact in facts(found, "Note"))


def test_telemetry_of_pods_of_another_workload_is_only_told(activities, kube):
    """The pods exist, and a Deployment of another name does not own them."""
    kube.put(paths.workload(WEB.model_copy(update={"name": "other"})), another_deployment())
    found = enrich(activities, a_telemetry_alert(deployment="other"))
    assert found.classified.handling is NOTIFY


def another_deployment():
    found = a_deployment(a_template(1))
    found["metadata"] |= {"name": "other", "uid": "uid-other"}
    return found


def test_secrets_are_in_no_fact(activities, kube):
    kube.objects[paths.workload(WEB)]["metadata"]["labels"] = {
        "owner": "token=ghp_abcdefghijklmnopqrstuvwxyz0123456789"
    }
    assert "ghp_" not in enrich(activities, an_alert()).model_dump_json()


def test_the_activity_says_that_it_is_alive(activities):
    environment, beats = ActivityEnvironment(), []
    environment.on_heartbeat = lambda *_: beats.append(1)
    environment.run(activities.enrich, EnrichRequest(alert=an_alert()))
    assert len(beats) >= 4


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("https://runbooks.example.org/a?b=c#d", True),
        ("http://wiki/page", True),
        ("javascript:alert(1)", False),
        ("ftp://host/x", False),
        ("https://", False),
        ("//host/x", False),
        ("https://host/<script>", False),
        ('https://host/" onclick="x', False),
        ("https://host/a b", False),
        ("https://host/\n", False),
        ("https://[", False),
        ("https://host/" + "x" * 500, False),
        ("", False),
    ],
)
def test_only_web_addresses_become_links(text, good):
    assert link(text) == (text if good else "")


# Opening and joining


def test_an_alert_opens_an_incident_as_a_signal_would(activities, kube):
    opened = open_(activities, an_alert(labels={"pod": "web-a", "container": "app"}))
    (incident,) = incidents(kube)
    assert (opened.incident.name, opened.opened, opened.incident.uid) == (
        incident["metadata"]["name"],
        True,
        incident["metadata"]["uid"],
    )
    assert incident["spec"] == {
        "type": "PodCrashLoop",
        "severity": "Critical",
        "description": "Alert KubePodCrashLooping: It crashes.",
        "containerName": "app",
        "target": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
    }
    assert incident["metadata"]["labels"] == {WORKLOAD: workload_key(WEB), SOURCE: "alerts"}
    marks = incident["metadata"]["annotations"]
    assert marks[FAULT_AT] == (NOW - timedelta(minutes=5)).isoformat()
    assert marks[f"{ALERT_PREFIX}f1"] == "KubePodCrashLooping since 2026-11-24T11:55:00Z"


def test_a_container_of_the_exporter_is_left_out(activities, kube):
    open_(activities, an_alert(labels={"deployment": "web", "container": "kube-state-metrics"}))
    assert "containerName" not in incidents(kube)[0]["spec"]


def test_opening_again_finds_what_was_opened(activities, kube):
    first = open_(activities)
    assert open_(activities) == first
    assert len(incidents(kube)) == 1


def test_opening_again_after_a_lost_answer_knows_that_it_was_us(activities, kube):
    """The first attempt looked before it wrote, and so does the second: it finds an open incident."""
    open_(activities)
    kube.list = lambda *_, **__: iter(())
    assert open_(activities).opened


async def test_a_pod_and_an_alert_make_one_incident_whoever_comes_first(activities, kube):
    signal = Signal(
        source="pods",
        type=IncidentType.POD_CRASH_LOOP,
        namespace="shop",
        kind="Pod",
        name="web-a",
        uid="uid-web-a",
        owner={"api_version": "apps/v1", "kind": "ReplicaSet", "name": "web-hash1", "uid": "uid-rs-1"},
        reason="CrashLoopBackOff",
        observed_at=NOW,
    )
    intake = Intake(FakeRest(kube))
    assert await intake.open(signal) == "opened"
    opened = await asyncio.to_thread(open_, activities)
    assert (opened.opened, len(incidents(kube))) == (False, 1)
    assert f"{ALERT_PREFIX}f1" in incidents(kube)[0]["metadata"]["annotations"]
    kube.objects = {path: incident for path, incident in kube.objects.items() if not path.startswith(INCIDENTS)}
    assert (await asyncio.to_thread(open_, activities)).opened
    assert await intake.open(signal) == "joined"
    assert len(incidents(kube)) == 1


def test_two_alerts_of_one_workload_make_one_incident(activities, kube):
    open_(activities)
    second = open_(activities, an_alert("KubeDeploymentReplicasMismatch", "f2", labels={"deployment": "web"}))
    assert (second.opened, len(incidents(kube))) == (False, 1)
    assert {f"{ALERT_PREFIX}f1", f"{ALERT_PREFIX}f2"} <= incidents(kube)[0]["metadata"]["annotations"].keys()


def test_an_incident_names_no_more_alerts_than_people_can_read(activities, kube):
    for number in range(30):
        open_(activities, an_alert(fingerprint=f"f{number}"))
    marks = incidents(kube)[0]["metadata"]["annotations"]
    assert len([key for key in marks if key.startswith(ALERT_PREFIX)]) == 20


def test_an_incident_that_people_have_is_joined_while_its_fault_goes_on(activities, kube, moment):
    first = open_(activities)
    stands(kube, Phase.ESCALATED, times={"closedAt": NOW.isoformat()})
    moment.now = NOW + timedelta(hours=3)
    assert open_(activities).incident == first.incident
    incident = kube.objects[f"{INCIDENTS}/{first.incident.name}"]
    incident["metadata"]["annotations"][RECOVERED_AT] = NOW.isoformat()
    assert open_(activities).incident != first.incident


@pytest.mark.parametrize("phase", [Phase.HEALED, Phase.RECOVERED])
def test_after_a_fault_that_is_over_the_next_one_has_an_incident_of_its_own(activities, kube, phase):
    first = open_(activities)
    stands(kube, phase, times={"closedAt": NOW.isoformat()})
    assert open_(activities).incident != first.incident


@pytest.mark.parametrize("phase", [Phase.HEALED, Phase.RECOVERED])
def test_an_alert_that_came_in_time_and_is_handled_late_joins_what_ended_meanwhile(activities, kube, moment, phase):
    """Some of hundreds that arrive in a minute have to wait."""
    first = open_(activities)
    moment.now = NOW + timedelta(minutes=2)
    stands(kube, phase, times={"closedAt": (NOW + timedelta(minutes=1)).isoformat()})
    assert open_(activities, an_alert(fingerprint="f2")).incident == first.incident
    assert len(incidents(kube)) == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda kube: kube.objects["/api/v1/namespaces/shop"]["metadata"].update(
                labels={"prunella.dev/ignore": "true"}
            ),
            "Ignored",
        ),
        (
            lambda kube: kube.objects[paths.workload(WEB)]["metadata"].update(labels={"prunella.dev/ignore": "true"}),
            "Ignored",
        ),
    ],
    ids=["namespace", "workload"],
)
def test_what_asked_to_be_left_alone_is(activities, kube, change, reason):
    change(kube)
    opened = open_(activities)
    assert opened.incident is None
    assert opened.reason.startswith(reason)
    assert incidents(kube) == []


@pytest.mark.parametrize("namespace", ["kube-system", "prunella-system"])
def test_protected_namespaces_are_never_touched(activities, kube, namespace):
    alert = an_alert()
    found = enrich(activities, alert)
    moved = found.model_copy(update={"target": WEB.model_copy(update={"namespace": namespace})})
    opened = run(activities.open, OpenRequest(alert=alert, enriched=moved, observed_at=NOW))
    assert opened.reason.startswith("Protected")
    assert kube.writes == []


def test_a_workload_that_is_gone_or_was_made_anew_opens_nothing(activities, kube):
    alert = an_alert()
    found = enrich(activities, alert)
    kube.objects[paths.workload(WEB)]["metadata"]["uid"] = "another"
    assert run(activities.open, OpenRequest(alert=alert, enriched=found, observed_at=NOW)).reason.startswith("NotFound")
    none = found.model_copy(update={"target": None})
    assert run(activities.open, OpenRequest(alert=alert, enriched=none, observed_at=NOW)).reason.startswith(
        "NoWorkload"
    )


# Following and taking back


def look(activities, opened):
    return run(activities.follow, FollowRequest(incident=opened.incident))


def withdraw(activities, opened):
    return run(activities.withdraw, WithdrawRequest(incident=opened.incident, alert=an_alert()))


ATTEMPT = {
    "number": 1,
    "actionId": "a-1",
    "action": "SetMemory",
    "target": "Deployment/web",
    "startedAt": NOW.isoformat(),
}


def test_how_an_incident_stands(activities, kube):
    opened = open_(activities)
    assert (look(activities, opened).phase, look(activities, opened).acted) == (Phase.PENDING, False)
    written = {**ATTEMPT, "writtenAt": NOW.isoformat(), "verdict": "NotHealed", "undone": True}
    stands(kube, Phase.DIAGNOSING, rootCause="pod_oom_killed", nextStep="look", attempts=[written])
    found = look(activities, opened)
    assert (found.acted, found.root_cause, found.next_step) == (True, "pod_oom_killed", "look")
    assert found.tried == ("SetMemory: NotHealed (undone)",)


def test_an_incident_that_was_deleted_or_made_anew_is_gone(activities, kube):
    opened = open_(activities)
    (incident,) = incidents(kube)
    incident["metadata"]["uid"] = "another"
    assert look(activities, opened).gone
    kube.objects.pop(f"{INCIDENTS}/{opened.incident.name}")
    assert look(activities, opened).gone


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.CONFIRMING, Phase.DIAGNOSING, Phase.AWAITING_APPROVAL])
def test_what_has_not_acted_is_taken_back(activities, kube, phase):
    opened = open_(activities)
    incident = stands(kube, phase)
    assert withdraw(activities, opened).done
    marks = incidents(kube)[0]["metadata"]["annotations"]
    assert (marks[CANCEL], marks[WITHDRAWN_BY_ALERT]) == ("true", "f1")
    _, _, patch = kube.of("merge_patch")[-1]
    assert patch["metadata"]["resourceVersion"] == incident["metadata"]["resourceVersion"]


def test_after_an_incident_that_was_taken_back_the_next_fault_has_one_of_its_own(activities, kube):
    opened = open_(activities)
    withdraw(activities, opened)
    stands(kube, Phase.CANCELLED, times={"closedAt": NOW.isoformat()})
    assert open_(activities).incident != opened.incident


@pytest.mark.parametrize(
    ("phase", "status", "reason"),
    [
        (Phase.REPAIRING, {}, "it has changed the workload already"),
        (Phase.VERIFYING, {}, "it has changed the workload already"),
        (
            Phase.DIAGNOSING,
            {"attempts": [{**ATTEMPT, "writtenAt": NOW.isoformat()}]},
            "it has changed the workload already",
        ),
    ],
    ids=["repairing", "verifying", "second step"],
)
def test_what_has_acted_is_not_taken_back(activities, kube, phase, status, reason):
    opened = open_(activities)
    stands(kube, phase, **status)
    found = withdraw(activities, opened)
    assert (found.done, found.reason) == (False, reason)
    annotations = incidents(kube)[0]["metadata"]["annotations"]
    assert (CANCEL in annotations, annotations[ALERT_RESOLVED_AT]) == (False, NOW.isoformat())


def test_what_is_closed_is_not_taken_back(activities, kube):
    opened = open_(activities)
    stands(kube, Phase.HEALED)
    assert withdraw(activities, opened).reason == "it is closed"
    assert kube.of("merge_patch") == []


def test_an_incident_whose_pods_are_in_trouble_is_not_taken_back(activities, kube):
    opened = open_(activities)
    crashed = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "ready": False}
    kube.put("/api/v1/namespaces/shop/pods/web-a", a_pod("web-a", ready_since=None, status=crashed))
    found = withdraw(activities, opened)
    assert not found.done
    assert found.reason.startswith("the pods are unhealthy: pod web-a")


def test_an_incident_that_moves_meanwhile_is_looked_at_again(activities, kube):
    opened = open_(activities)
    path = f"{INCIDENTS}/{opened.incident.name}"

    def meddle(method, _path):
        if method == "PATCH":
            kube.objects[path]["metadata"]["resourceVersion"] = "moved"

    kube.before = meddle
    with pytest.raises(ApplicationError) as raised:
        withdraw(activities, opened)
    assert (raised.value.type, raised.value.non_retryable) == ("Conflict", False)


def test_a_deleted_incident_needs_no_taking_back(activities, kube):
    opened = open_(activities)
    kube.objects.pop(f"{INCIDENTS}/{opened.incident.name}")
    assert withdraw(activities, opened).done


def test_the_end_of_an_alert_is_noted_on_its_incident(activities, kube):
    opened = open_(activities)
    state = AlertState(fingerprint="f1", alert=an_alert(), incident=opened.incident, outcome=Outcome.REPAIRED)
    run(activities.record, RecordRequest(state=state))
    assert kube.of("merge_patch") == []
    run(activities.record, RecordRequest(state=state, resolved=True))
    marks = incidents(kube)[0]["metadata"]["annotations"]
    assert marks[f"{ALERT_PREFIX}f1"] == (
        "KubePodCrashLooping since 2026-11-24T11:55:00Z, resolved 2026-11-24T12:00:00Z"
    )


def test_an_alert_without_an_incident_is_recorded_too(activities, kube):
    run(
        activities.record, RecordRequest(state=AlertState(fingerprint="f1", alert=an_alert(), outcome=Outcome.NOTIFIED))
    )
    assert kube.writes == []


# Alertmanager


def test_silences_go_by_the_configured_alertmanager(kube):
    with FakeAlertmanager() as server:
        activities = AlertActivitiesImpl(
            kube, FakeRest(kube), EvidenceCollector(kube, 30.0), (), Alertmanager(server.url)
        )
        assert enrich(activities, an_alert()).can_silence
        assert not enrich(activities, an_alert(whole=False)).can_silence
        until = NOW + timedelta(minutes=10)
        found = run(activities.silence, SilenceRequest(alert=an_alert(), until=until, comment="c"))
        run(activities.unsilence, UnsilenceRequest(silence_id=found.silence_id))
        assert server.state(found.silence_id) == "expired"
        assert not run(activities.is_firing, EnrichRequest(alert=an_alert())).firing


def test_without_an_alertmanager_nothing_is_silenced(activities):
    assert not enrich(activities, an_alert()).can_silence
    with pytest.raises(ApplicationError) as raised:
        run(activities.is_firing, EnrichRequest(alert=an_alert()))
    assert raised.value.non_retryable
