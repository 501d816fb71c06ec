"""Ready pods that serve badly, by telemetry: what is rolled back, what waits, and what a person gets."""

import pytest
from builders import (
    a_brief,
    a_container_status,
    a_crashing_container,
    a_pod,
    a_policy,
    a_revision,
    a_service,
    a_telemetry,
    ago,
    an_anomaly,
    an_attempt,
    an_evidence,
    the_history,
)

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.playbooks import decide
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.model.neighbours import DependencyView
from prunella_workflows.model.outcome import Cause
from prunella_workflows.model.plan import RestoreTemplate
from prunella_workflows.model.telemetry import AnomalyKind, Split, SplitKind
from prunella_workflows.model.workload import WorkloadRef

DB = WorkloadRef(kind="StatefulSet", namespace="shop", name="db", uid="uid-db")
FROM_DB = {"origin": a_service("db", kind="StatefulSet"), "split": Split(kind=SplitKind.ALL)}


def an_evidence_of(*anomalies, telemetry=None, **values):
    """Web was released two minutes ago; its pods are ready, and 100 seconds ago they began to fail requests."""
    pods = tuple(a_pod(f"web-2-{letter}", created_at=ago(115), ready_since=ago(110)) for letter in "abc")
    anomalies = anomalies or (an_anomaly(),)
    return an_evidence(
        *values.pop("pods", pods),
        **{
            "revisions": the_history(created_at=ago(120)),
            "telemetry": telemetry or a_telemetry(*anomalies),
            **values,
        },
    )


def decided(evidence, tried=()):
    return decide(Findings(evidence), a_policy(), tried)


def test_a_release_whose_ready_pods_serve_badly_is_rolled_back():
    diagnosis, plan = decided(an_evidence_of())
    assert diagnosis.cause is Cause.BAD_RELEASE
    assert "40.0% of 300 requests fail, usually 0.5%" in diagnosis.message
    (step,) = plan.steps
    assert isinstance(step.action, RestoreTemplate)
    assert step.action.revision.name == "web-1"
    assert step.settle.telemetry


def test_slow_answers_count_as_errors_do():
    diagnosis, _ = decided(an_evidence_of(an_anomaly(kind=AnomalyKind.LATENCY, ratio=5.0)))
    assert diagnosis.cause is Cause.BAD_RELEASE


def test_the_soak_that_made_a_bad_release_good_acquits_it_not():
    """All its pods are ready, so it is recorded as good while it already fails requests."""
    history = the_history(created_at=ago(120), good_at=ago(60), good_since=ago(60))
    assert decided(an_evidence_of(revisions=history))[0].cause is Cause.BAD_RELEASE


ALL = an_anomaly(split=Split(kind=SplitKind.ALL))
ONLY = an_anomaly(split=Split(), pod_uids=("uid-web-2-a",))


@pytest.mark.parametrize(
    ("anomaly", "letters"), [(ALL, "abc"), (ONLY, "a")], ids=["all of several", "the only one, with nothing to compare"]
)
def test_where_all_old_pods_were_replaced_the_time_of_the_rollout_tells(anomaly, letters):
    pods = tuple(a_pod(f"web-2-{letter}", created_at=ago(115)) for letter in letters)
    diagnosis, _ = decided(an_evidence_of(anomaly, pods=pods))
    assert (diagnosis.cause, diagnosis.confidence) == (Cause.BAD_RELEASE, 0.6)


def a_foreign_pod():
    return an_anomaly(pod_uids=("uid-web-2-a", "uid-of-no-pod-of-ours"))


ACQUITTED = {
    "not critical": {"anomalies": (an_anomaly(critical=False),)},
    "over": {"anomalies": (an_anomaly(until=ago(30)),)},
    "about another workload": {"anomalies": (an_anomaly(subject=a_service("cart"), origin=a_service("cart")),)},
    "old telemetry": {"telemetry": a_telemetry(an_anomaly(), read_to=ago(300))},
    "no telemetry": {"telemetry": None},
    "from elsewhere": {"anomalies": (an_anomaly(**FROM_DB),)},
    "its origin is unknown": {"anomalies": (an_anomaly(origin=None),)},
    "also from elsewhere": {"anomalies": (an_anomaly(), an_anomaly(kind=AnomalyKind.LATENCY, origin=a_service("db")))},
    "all pods, and no release": {"anomalies": (ALL,), "revisions": the_history(created_at=ago(600))},
    "all pods, and an old one is left": {
        "anomalies": (ALL,),
        "pods": (*(a_pod(f"web-2-{letter}") for letter in "abc"), a_pod("web-1-a", revision="1")),
    },
    "one pod": {"anomalies": (an_anomaly(split=Split(kind=SplitKind.ONE_POD, name="web-2-a")),)},
    "some pods": {"anomalies": (an_anomaly(split=Split(), pod_uids=("uid-web-2-a", "uid-web-2-b")),)},
    "no uids": {"anomalies": (an_anomaly(pod_uids=()),)},
    "a pod that is not there": {"anomalies": (a_foreign_pod(),)},
    "before the rollout": {"anomalies": (an_anomaly(since=ago(160)),)},
    "long after the rollout": {"revisions": the_history(created_at=ago(7200))},
    "no rollout known": {"revisions": the_history(created_at=None)},
    "good before the onset": {"revisions": the_history(created_at=ago(1200), good_at=ago(30), good_since=ago(1000))},
    "no good revision": {"revisions": (a_revision(1), a_revision(2, current=True, created_at=ago(120)))},
    "a doubtful revision": {
        "revisions": (a_revision(1, ready_for=12.0), a_revision(2, current=True, created_at=ago(120)))
    },
    "of a deleted namesake": {
        "revisions": (
            a_revision(1, good_at=ago(7200), inherited=True),
            a_revision(2, current=True, created_at=ago(120)),
        )
    },
    "no baseline": {"telemetry": a_telemetry(an_anomaly(), error_baseline=None)},
    "no baseline of durations": {"telemetry": a_telemetry(an_anomaly(kind=AnomalyKind.LATENCY), p95_baseline_ms=None)},
    "only logs": {"anomalies": (an_anomaly(kind=AnomalyKind.LOGS),)},
}


@pytest.mark.parametrize("case", ACQUITTED.values(), ids=ACQUITTED)
def test_telemetry_alone_writes_nothing(case):
    values = {"telemetry": a_telemetry(*case["anomalies"]), **case} if "anomalies" in case else case
    values = {name: value for name, value in values.items() if name != "anomalies"}
    base = an_evidence_of()
    diagnosis, plan = decided(base.model_copy(update=values))
    assert diagnosis.cause is not Cause.BAD_RELEASE
    assert plan.steps == ()


def test_failing_pods_come_first():
    """The kubelet's reports count more than data that anyone may send."""
    pods = (a_pod("web-2-a", a_crashing_container()), a_pod("web-2-b"), a_pod("web-2-c"))
    diagnosis, plan = decided(an_evidence_of(pods=pods))
    assert diagnosis.cause is not Cause.UNKNOWN
    assert "requests fail" not in diagnosis.message
    assert all(step.settle.telemetry for step in plan.steps)


def test_a_pod_of_the_old_template_among_them_acquits():
    old = a_pod("web-1-a", a_container_status(), revision="1")
    evidence = an_evidence_of(an_anomaly(pod_uids=("uid-web-2-a", old.uid)))
    diagnosis, _ = decided(evidence.model_copy(update={"pods": (*evidence.pods, old)}))
    assert diagnosis.cause is not Cause.BAD_RELEASE


def test_a_rollback_that_did_not_help_is_not_repeated():
    diagnosis, plan = decided(an_evidence_of(), (an_attempt(action="RestoreTemplate"),))
    assert (diagnosis.cause, plan.steps, plan.reason) == (Cause.UNKNOWN, (), "AnomalyPersists")


@pytest.mark.parametrize(
    ("split", "said"),
    [
        (Split(kind=SplitKind.ONE_POD, name="web-2-a"), "kubectl delete pod web-2-a -n shop"),
        (Split(kind=SplitKind.ONE_POD, name="$(reboot)"), "See what changed at its onset"),
        (Split(kind=SplitKind.ONE_NODE, name="node-a"), "kubectl describe node node-a"),
        (Split(kind=SplitKind.ONE_NODE, name="; reboot"), "See what changed at its onset"),
        (Split(kind=SplitKind.ALL), "See what changed at its onset"),
        (Split(), "See what changed at its onset"),
    ],
)
def test_a_person_gets_the_place_to_look_at(split, said):
    _, plan = decided(an_evidence_of(an_anomaly(split=split), revisions=the_history(created_at=ago(600))))
    assert plan.reason == "AnomalyPersists"
    assert said in plan.next_step
    assert "0af7651916cd43dd8448eb211c80319c" in plan.next_step
    assert "reboot" not in plan.next_step


# The origin is elsewhere


def a_view(**values):
    return DependencyView(
        **{"ref": DB, "known_by": "by traces", "available": 1, "anomaly": "30.0% of 90 requests fail", **values}
    )


def an_incident_of_db(**values):
    return a_brief("db-1", workload="StatefulSet/db", opened_at=ago(200), source="alerts", **values)


def test_the_dependant_of_an_origin_waits_for_its_incident():
    findings = Findings(
        an_evidence_of(an_anomaly(**FROM_DB), dependencies=(a_view(),), incidents=(an_incident_of_db(),))
    )
    diagnosis, plan = decide(findings, a_policy())
    cause = findings.external_cause(diagnosis.cause)
    assert (diagnosis.cause, plan.steps) == (Cause.DEPENDENCY_DOWN, ())
    assert (cause.target, cause.incident, cause.max_wait) == ("StatefulSet/db", "db-1", 1800)
    assert "30.0% of 90 requests fail" in cause.message
    assert cause.note.incident == "db-1"


def test_without_an_incident_it_waits_two_minutes():
    evidence = an_evidence_of(an_anomaly(**FROM_DB), dependencies=(a_view(),))
    assert Findings(evidence).dependency.max_wait == 120


def test_an_origin_of_another_namespace():
    elsewhere = DB.model_copy(update={"namespace": "data"})
    anomaly = an_anomaly(origin=a_service("db", kind="StatefulSet", namespace="data"))
    here, there = an_incident_of_db(), an_incident_of_db(namespace="data")
    there = there.model_copy(update={"name": "db-2"})
    evidence = an_evidence_of(anomaly, dependencies=(a_view(ref=elsewhere),), incidents=(here, there))
    assert Findings(evidence).dependency.incident == "db-2"


def test_an_origin_that_is_no_workload_of_the_cluster_is_named_and_waited_for_shortly():
    findings = Findings(an_evidence_of(an_anomaly(**FROM_DB)))
    diagnosis, plan = decide(findings, a_policy())
    assert (diagnosis.cause, plan.steps) == (Cause.DEPENDENCY_DOWN, ())
    assert (findings.dependency.target, findings.dependency.max_wait) == ("shop/db", 120)


def test_after_the_origin_was_healed_our_anomaly_has_time_to_end():
    healed = an_incident_of_db(phase=Phase.HEALED, closed_at=ago(20))
    evidence = an_evidence_of(an_anomaly(**FROM_DB), dependencies=(a_view(anomaly=""),), incidents=(healed,))
    cause = Findings(evidence).dependency
    assert (cause.target, cause.incident, cause.max_wait) == ("StatefulSet/db", "db-1", 36 * 60)


def test_when_the_incident_of_the_origin_is_escalated_so_is_ours():
    escalated = an_incident_of_db(phase=Phase.ESCALATED, closed_at=ago(20))
    evidence = an_evidence_of(an_anomaly(**FROM_DB), dependencies=(a_view(),), incidents=(escalated,))
    assert Findings(evidence).dependency.max_wait == 0


def test_of_two_that_wait_for_each_other_the_older_one_goes_on():
    ours = a_brief("web-1", opened_at=ago(300), source="alerts")
    waits = an_incident_of_db(caused_by={"incident": "web-1", "target": "Deployment/web", "message": ""})
    evidence = an_evidence_of(
        an_anomaly(**FROM_DB), dependencies=(a_view(),), incidents=(ours, waits), incident_name="web-1"
    )
    assert Findings(evidence).dependency is None


def test_pods_that_fail_wait_for_no_degraded_dependency():
    pods = (a_pod("web-2-a", a_crashing_container()),)
    evidence = an_evidence_of(an_anomaly(**FROM_DB), pods=pods, dependencies=(a_view(),))
    assert Findings(evidence).dependency is None
