"""Classification of alerts: their subject and handling, by labels and rules."""

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunella_workflows.decisions.alert_classification import BUILT_IN, NamedPolicy, alert_namespace, classify
from prunella_workflows.model.alert import ORIGIN, Alert, AlertStatus, Candidate
from prunella_workflows.model.alert_policy import AlertHandlingMode, AlertPolicy
from prunella_workflows.model.incident import IncidentType, Severity
from prunella_workflows.model.telemetry_policy import TelemetryPolicy

HEAL, NOTIFY, RECORD = AlertHandlingMode.HEAL, AlertHandlingMode.NOTIFY, AlertHandlingMode.RECORD
NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)


def an_alert(name="KubePodCrashLooping", **labels):
    return Alert(
        fingerprint="f1",
        status=AlertStatus.FIRING,
        labels={"alertname": name, "severity": "critical", "namespace": "shop", **labels},
        starts_at=NOW,
    )


def a_policy(name="policy", **values):
    return NamedPolicy(name, AlertPolicy.model_validate(values))


def a_rule(alertname=".*", **values):
    return {"name": "own", "alertname": alertname, **values}


def names(classified):
    return [f"{candidate.kind}/{candidate.name}" for candidate in classified.candidates]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"deployment": "web"}, ["Deployment/web"]),
        ({"statefulset": "db"}, ["StatefulSet/db"]),
        ({"daemonset": "agent"}, ["DaemonSet/agent"]),
        ({"job_name": "report"}, ["Job/report"]),
        ({"cronjob": "nightly"}, ["CronJob/nightly"]),
        ({"horizontalpodautoscaler": "web"}, ["HorizontalPodAutoscaler/web"]),
        ({"pod": "web-1"}, ["Pod/web-1"]),
        ({"workload": "web", "workload_type": "deployment"}, ["Deployment/web"]),
        ({"workload": "web", "workload_type": "StatefulSet"}, ["StatefulSet/web"]),
        ({"workload": "web"}, ["Deployment/web", "StatefulSet/web", "DaemonSet/web"]),
        ({"workload": "web", "workload_type": "unheard-of"}, ["Deployment/web", "StatefulSet/web", "DaemonSet/web"]),
        ({"deployment": "web", "pod": "kube-state-metrics-0"}, ["Deployment/web"]),
        ({"deployment": "web", "horizontalpodautoscaler": "other"}, ["Deployment/web"]),
        ({"job": "kube-state-metrics"}, []),
        ({}, []),
    ],
    ids=str,
)
def test_labels_name_the_workload(labels, expected):
    assert names(classify(an_alert("KubePodNotReady", **labels), ())) == expected


@pytest.mark.parametrize(
    "value",
    [
        'web"} or vector(1) #',
        "<script>alert(1)</script>",
        "../../secrets/admin",
        "web/../../../api",
        "web; rm -rf /",
        "$(reboot)",
        "Web",
        "-web",
        "web-",
        "w" * 254,
        "wéb",
        "web\n",
        "web ",
        " ",
        "[x](http://evil)",
    ],
    ids=repr,
)
@pytest.mark.parametrize("label", ["deployment", "pod", "workload", "namespace", "horizontalpodautoscaler"])
def test_what_is_no_kubernetes_name_is_never_used_as_one(label, value):
    found = classify(an_alert("KubePodNotReady", **{"pod": "web-1", label: value}), ())
    assert (found.candidates, found.handling) == ((), NOTIFY)
    assert any(f"the label {label} is not a valid Kubernetes name" in note for note in found.notes)
    assert not any(value in note for note in found.notes if value.strip())


def test_a_container_that_is_no_name_is_left_out_and_the_workload_is_kept():
    found = classify(an_alert(pod="web-1", container="$(x)"), ())
    assert (found.container, names(found)) == ("", ["Pod/web-1"])


@pytest.mark.parametrize(
    ("said", "severity", "handling"),
    [
        ("critical", Severity.CRITICAL, HEAL),
        ("CRITICAL", Severity.CRITICAL, HEAL),
        ("page", Severity.CRITICAL, HEAL),
        ("error", Severity.HIGH, NOTIFY),
        ("warning", Severity.MEDIUM, NOTIFY),
        ("info", Severity.LOW, NOTIFY),
        ("none", Severity.LOW, NOTIFY),
        ("purple", Severity.MEDIUM, NOTIFY),
        ("", Severity.MEDIUM, NOTIFY),
    ],
)
def test_only_what_is_critical_is_healed(said, severity, handling):
    found = classify(an_alert(pod="web-1", severity=said), ())
    assert (found.severity, found.handling) == (severity, handling)


@pytest.mark.parametrize(
    ("name", "labels", "type_", "handling"),
    [
        ("KubePodCrashLooping", {"pod": "p"}, IncidentType.POD_CRASH_LOOP, HEAL),
        ("KubePodNotReady", {"pod": "p"}, IncidentType.UNAVAILABLE, HEAL),
        ("KubeDeploymentReplicasMismatch", {"deployment": "d"}, IncidentType.UNAVAILABLE, HEAL),
        ("KubeDeploymentRolloutStuck", {"deployment": "d"}, IncidentType.UNAVAILABLE, HEAL),
        ("KubeStatefulSetReplicasMismatch", {"statefulset": "s"}, IncidentType.UNAVAILABLE, HEAL),
        ("KubeDaemonSetRolloutStuck", {"daemonset": "d"}, IncidentType.UNAVAILABLE, HEAL),
        ("KubeContainerWaiting", {"pod": "p"}, IncidentType.UNAVAILABLE, HEAL),
        ("KubeContainerOOMKilled", {"pod": "p"}, IncidentType.OOM_KILLED, HEAL),
        ("CPUThrottlingHigh", {"pod": "p"}, IncidentType.HIGH_CPU, HEAL),
        ("KubeHpaMaxedOut", {"horizontalpodautoscaler": "h"}, IncidentType.HIGH_CPU, HEAL),
        ("KubeHpaReplicasMismatch", {"horizontalpodautoscaler": "h"}, IncidentType.UNAVAILABLE, HEAL),
        ("KubeJobFailed", {"job_name": "j"}, IncidentType.OTHER, HEAL),
        ("Watchdog", {}, IncidentType.OTHER, RECORD),
        ("InfoInhibitor", {"namespace": "shop"}, IncidentType.OTHER, RECORD),
        ("KubeNodeNotReady", {"pod": "kube-state-metrics-0"}, IncidentType.OTHER, NOTIFY),
        ("TargetDown", {"pod": "exporter"}, IncidentType.OTHER, NOTIFY),
        ("NodeFilesystemAlmostOutOfSpace", {"pod": "node-exporter-x"}, IncidentType.OTHER, NOTIFY),
        ("CheckoutIsSlow", {"deployment": "web"}, IncidentType.OTHER, NOTIFY),
    ],
)
def test_built_in_rules(name, labels, type_, handling):
    found = classify(an_alert(name, **labels), ())
    assert (found.type, found.handling) == (type_, handling)


def test_what_is_about_no_workload_has_none_whatever_its_labels():
    for name, rule in BUILT_IN.items():
        found = classify(an_alert(name, pod="exporter", deployment="exporter"), ())
        assert bool(found.candidates) is rule.workload, name
        if not rule.workload:
            assert found.handling is not HEAL


@pytest.mark.parametrize(
    ("cause", "type_"),
    [
        ("high_cpu", IncidentType.HIGH_CPU),
        ("pod_oom_killed", IncidentType.OOM_KILLED),
        ("bad_release", IncidentType.UNAVAILABLE),
    ],
)
def test_an_alert_of_ones_own_is_healed_when_it_says_what_the_trouble_is(cause, type_):
    found = classify(an_alert("CheckoutIsSlow", deployment="web", prunella_cause=cause), ())
    assert (found.type, found.handling) == (type_, HEAL)


def test_a_cause_that_nobody_knows_is_noted():
    found = classify(an_alert("CheckoutIsSlow", deployment="web", prunella_cause="gremlins"), ())
    assert found.type is IncidentType.OTHER
    assert "the label prunella_cause names an unknown cause" in found.notes


# Rules of policies


def test_a_rule_says_what_the_labels_mean():
    rule = a_rule(
        "Checkout.*",
        type="NetworkTimeout",
        severity="Critical",
        labels={"namespace": "k8s_ns", "workload": "service", "workloadType": "kind"},
        channels=["team"],
    )
    alert = an_alert("CheckoutIsSlow", severity="warning", k8s_ns="billing", service="api", kind="statefulset", pod="x")
    found = classify(alert, (a_policy(rules=[rule]),))
    assert (found.namespace, names(found), found.type) == ("billing", ["StatefulSet/api"], IncidentType.NETWORK_TIMEOUT)
    assert (found.severity, found.handling, found.channels) == (Severity.CRITICAL, HEAL, ("team",))
    assert found.decided_by == ("ClusterHealingPolicy/policy rule own",)


def test_a_rule_matches_the_whole_name():
    policy = a_policy(rules=[a_rule("Checkout", handling="Record")])
    assert classify(an_alert("CheckoutIsSlow"), (policy,)).handling is NOTIFY
    assert classify(an_alert("Checkout"), (policy,)).handling is RECORD


def test_a_rule_is_laid_over_the_built_in_one_field_by_field():
    found = classify(an_alert(pod="web-1", severity="warning"), (a_policy(rules=[a_rule("Kube.*", handling="Heal")]),))
    assert (found.type, found.severity, found.handling) == (IncidentType.POD_CRASH_LOOP, Severity.MEDIUM, HEAL)
    assert found.decided_by == ("ClusterHealingPolicy/policy rule own", "built-in rule")


def test_the_policy_that_sorts_last_wins_and_in_a_policy_the_first_rule():
    first = a_policy("a", rules=[a_rule(handling="Record")])
    last = a_policy("b", rules=[a_rule("Nothing"), a_rule("Kube.*", handling="Notify"), a_rule(handling="Record")])
    assert classify(an_alert(pod="p"), (first, last)).handling is NOTIFY
    assert classify(an_alert("Other", pod="p"), (first, last)).handling is RECORD


def test_whom_to_tell_and_the_window_come_from_the_last_policy_that_says_so():
    policies = (
        a_policy("a", channels=["one"], window="10m", ticket="jira"),
        a_policy("b", channels=["two"], silence="Never"),
    )
    found = classify(an_alert(pod="p"), policies)
    assert (found.channels, found.window, found.ticket, found.silence) == (("two",), 600.0, "jira", False)


def test_without_policies_nobody_is_told_and_repeats_join_for_five_minutes():
    found = classify(an_alert(pod="p"), ())
    assert (found.channels, found.ticket, found.window, found.silence) == ((), "", 300.0, True)


def test_a_rule_can_heal_what_has_a_workload_only():
    found = classify(an_alert("Disk", severity="critical"), (a_policy(rules=[a_rule(handling="Heal")]),))
    assert found.handling is NOTIFY
    assert "it names no workload, so nothing can be repaired" in found.notes


def test_a_rule_can_say_that_a_node_alert_is_about_a_pod():
    found = classify(an_alert("TargetDown", pod="web-1"), (a_policy(rules=[a_rule(handling="Heal")]),))
    assert (names(found), found.handling) == (["Pod/web-1"], HEAL)


def test_a_label_that_a_rule_chose_comes_first():
    policy = a_policy(rules=[a_rule(labels={"pod": "app_pod"})])
    found = classify(an_alert(app_pod="web-1", pod="exporter", deployment="exporter"), (policy,))
    assert names(found) == ["Pod/web-1"]


def test_the_namespace_is_read_by_the_policys_own_rule():
    policy = a_policy(rules=[a_rule(labels={"namespace": "k8s_ns"})])
    assert alert_namespace(an_alert(k8s_ns="billing"), policy.alerts) == "billing"
    assert alert_namespace(an_alert(), AlertPolicy()) == "shop"
    assert alert_namespace(an_alert(namespace="../x"), AlertPolicy()) == ""


@pytest.mark.parametrize(
    "pattern", ["(a+)+", "(a*)*b", "(a|aa)+", "(x){2,}", "a*a*a*a*a*b", "(", "[", "a?a?a?a?a?"], ids=str
)
def test_patterns_that_could_take_for_ever_are_refused(pattern):
    with pytest.raises(ValueError, match=r"must not repeat|not a regular expression"):
        AlertPolicy.model_validate({"rules": [a_rule(pattern)]})


def test_matching_takes_no_time_to_speak_of():
    policy = a_policy(rules=[a_rule(".*a.*a.*a.*b")])
    began = time.monotonic()
    classify(an_alert("a" * 1000), (policy,))
    assert time.monotonic() - began < 5


@given(
    st.dictionaries(st.text(max_size=20), st.text(max_size=60), max_size=8),
    st.sampled_from(["KubePodNotReady", "Own", ""]),
)
def test_any_labels_give_an_answer(labels, name):
    alert = Alert(fingerprint="f", status=AlertStatus.FIRING, labels={"alertname": name, **labels}, starts_at=NOW)
    found = classify(alert, (a_policy(rules=[a_rule("Own", handling="Heal")]),))
    for candidate in found.candidates:
        assert isinstance(candidate, Candidate)
        assert set(candidate.name) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-")
    assert (found.handling is not HEAL) or found.candidates


@pytest.mark.parametrize(("mode", "handling"), [(HEAL, HEAL), (NOTIFY, NOTIFY), (RECORD, RECORD), (None, HEAL)])
def test_the_mode_of_telemetry_limits_its_own_alerts(mode, handling):
    policies = (NamedPolicy("a", AlertPolicy(), TelemetryPolicy(mode=mode)), NamedPolicy("b", AlertPolicy()))
    alert = an_alert("TelemetryErrorRate", deployment="web").model_copy(update={"annotations": {ORIGIN: "shop/web"}})
    assert classify(alert, policies).handling is handling
    assert classify(an_alert(deployment="web"), policies).handling is HEAL
