"""The alerts of anomalies, and what classification makes of them."""

import pytest
from builders import a_service, ago, an_anomaly
from hypothesis import given
from hypothesis import strategies as st

from prunella_workflows.decisions.alert_classification import BUILT_IN, classify
from prunella_workflows.decisions.telemetry.alerts import to_alerts
from prunella_workflows.decisions.telemetry.judgement import Judgement
from prunella_workflows.model.alert import TELEMETRY_ALERTS, AlertStatus
from prunella_workflows.model.alert_policy import AlertHandlingMode
from prunella_workflows.model.incident import IncidentType, Severity
from prunella_workflows.model.telemetry import AnomalyKind, Split, SplitKind

HEAL, NOTIFY, RECORD = AlertHandlingMode.HEAL, AlertHandlingMode.NOTIFY, AlertHandlingMode.RECORD


def opened(*anomalies, mode=HEAL):
    return to_alerts(Judgement(states={}, opened=anomalies), mode)


def the_alert(**values):
    (alert,) = opened(an_anomaly(**values))
    return alert


def test_what_an_alert_says():
    alert = the_alert(edges=("cart -> web: 12 of 30 calls fail",), dependants=("shop/cart",))
    assert alert.labels == {
        "alertname": "TelemetryErrorRate",
        "severity": "critical",
        "service": "web",
        "namespace": "shop",
        "deployment": "web",
        "prunella_cause": "bad_release",
    }
    assert alert.annotations == {
        "summary": "shop/web: 40.0% of 300 requests fail, usually 0.5%, since 11:58:20 UTC",
        "description": "It comes from this workload itself. Only pods of the template 2 are affected. "
        "Affected as well: shop/cart.",
        "origin": "shop/web",
        "edges": "cart -> web: 12 of 30 calls fail",
        "onset": "2026-03-04T11:58:20Z",
        "split": "NewPods 2",
        "traces": "0af7651916cd43dd8448eb211c80319c",
        "pods": "uid-web-2-a uid-web-2-b uid-web-2-c",
    }
    assert (alert.status, alert.starts_at, alert.ends_at) == (AlertStatus.FIRING, ago(100), None)


@pytest.mark.parametrize("kind", AnomalyKind)
def test_each_kind_is_known(kind):
    alert = the_alert(kind=kind)
    assert alert.name in TELEMETRY_ALERTS & set(BUILT_IN)
    assert alert.of_telemetry
    assert classify(alert, ()).handling is (NOTIFY if kind is AnomalyKind.TRAFFIC else HEAL)


@pytest.mark.parametrize(
    ("values", "handling"),
    [
        ({}, HEAL),
        ({"origin": a_service("db")}, HEAL),  # its incident waits for that of the origin
        ({"critical": False}, NOTIFY),
        ({"origin": None}, NOTIFY),
        ({"pod_uids": ()}, NOTIFY),
        ({"subject": a_service("web", kind="", workload="")}, NOTIFY),
        ({"subject": a_service("web", kind="Job")}, NOTIFY),
        ({"subject": a_service("web", workload="Not_a-Name!")}, NOTIFY),
        ({"subject": a_service("web", namespace='a"} or vector(1)')}, NOTIFY),
    ],
)
def test_what_may_start_a_repair(values, handling):
    assert classify(the_alert(**values), ()).handling is handling


def test_without_an_origin_a_critical_label_heals_nothing():
    """Anyone who has the webhook's token can send any labels."""
    alert = the_alert()
    forged = alert.model_copy(update={"annotations": {}})
    classified = classify(forged, ())
    assert classified.handling is NOTIFY
    assert "its origin is unknown, so nothing is repaired" in classified.notes


def test_its_type_and_severity():
    classified = classify(the_alert(split=Split()), ())
    assert (classified.type, classified.severity) == (IncidentType.UNAVAILABLE, Severity.CRITICAL)


def test_a_cause_is_only_suggested_for_the_new_pods_of_the_origin():
    assert "prunella_cause" not in the_alert(split=Split(kind=SplitKind.ALL)).labels
    assert "prunella_cause" not in the_alert(origin=a_service("db")).labels


def test_an_anomaly_that_becomes_critical_is_another_alert():
    warning, critical = the_alert(critical=False), the_alert()
    assert warning.fingerprint != critical.fingerprint == an_anomaly().fingerprint


def test_what_is_critical_and_not_complete_is_told_with_urgency():
    """Its alert for an Incident fires once the pods are known: a repeat of it would not be handled again."""
    early = the_alert(pod_uids=())
    assert (early.labels["severity"], classify(early, ()).severity) == ("high", Severity.HIGH)
    assert early.fingerprint != the_alert().fingerprint


def test_the_end_of_an_anomaly_ends_its_warning_as_well():
    over = an_anomaly(until=ago(0))
    alerts = to_alerts(Judgement(states={}, ended=(over,)))
    assert {alert.fingerprint for alert in alerts} == {the_alert().fingerprint, the_alert(critical=False).fingerprint}
    assert {(alert.status, alert.ends_at) for alert in alerts} == {(AlertStatus.RESOLVED, ago(0))}


def test_the_mode_of_the_policy():
    assert [alert.labels["severity"] for alert in opened(an_anomaly(), mode=NOTIFY)] == ["high"]
    assert opened(an_anomaly(), mode=RECORD) == ()


def test_changes_are_sent_and_what_goes_on_is_not():
    judgement = Judgement(states={}, changed=(an_anomaly(),), ongoing=(an_anomaly(), an_anomaly(fingerprint="other")))
    assert [alert.fingerprint for alert in to_alerts(judgement)] == [an_anomaly().fingerprint]


@given(st.text(), st.text(), st.text(), st.lists(st.text(), max_size=3).map(tuple))
def test_hostile_names_stay_short_and_printable(service, namespace, workload, texts):
    subject = a_service(service, namespace=namespace, workload=workload)
    alert = the_alert(subject=subject, origin=subject, edges=texts, traces=texts, pod_uids=texts)
    for text in (*alert.labels.values(), *alert.annotations.values()):
        assert text.isprintable()
        assert len(text) <= 2000
    classify(alert, ())


def test_gigabytes_are_cut():
    alert = the_alert(pod_uids=("a" * 10_000,) * 10_000, edges=("b" * 10_000,) * 10_000)
    assert len(alert.model_dump_json()) < 20_000


def test_secrets_in_names_are_masked():
    assert "hunter2" not in the_alert(edges=("GET https://user:hunter2@db/ fails",)).annotations["edges"]
