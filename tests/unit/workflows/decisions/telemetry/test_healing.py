"""From windows to the plan: the anomalies that detection finds are those that the diagnosis acts on."""

from datetime import timedelta

import pytest
from builders import (
    NOW,
    a_brief,
    a_pod,
    a_policy,
    a_revision,
    a_service,
    a_telemetry,
    an_evidence,
)

from prunella_workflows.decisions.alert_classification import classify
from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.playbooks import decide
from prunella_workflows.decisions.telemetry.alerts import to_alerts
from prunella_workflows.decisions.telemetry.judgement import judge
from prunella_workflows.decisions.telemetry.windows import EdgeCounts, Pod, PodCounts, ServiceCounts, Window
from prunella_workflows.model.alert import PODS, AlertStatus
from prunella_workflows.model.alert_policy import AlertHandlingMode
from prunella_workflows.model.neighbours import DependencyView
from prunella_workflows.model.outcome import Cause
from prunella_workflows.model.plan import RestoreTemplate

SECONDS = timedelta(seconds=10)
LEARNT = 120  # windows
BAD = 8  # windows of the fault
BEGAN = NOW - BAD * SECONDS - timedelta(seconds=6)
"""The rollout, six seconds before the first bad window."""

HISTOGRAM = {30: 95, 34: 5}
WEB, CART = a_service(), a_service("cart")


def a_window(number, *services, edges=()):
    return Window(start=NOW + (number - BAD) * SECONDS, services=services, edges=edges)


def counts(ref, pods, share, requests=40):
    """A service whose pods have so many requests each; a pod is (uid, node, template, share of errors)."""
    split = tuple(
        PodCounts(Pod(uid, node, template), requests, round(bad * requests), HISTOGRAM)
        for uid, node, template, bad in pods
    )
    errors = sum(pod.errors for pod in split)
    total = requests * len(split)
    return ServiceCounts(
        ref,
        total,
        errors,
        round(share * errors),
        {bucket: count * len(split) for bucket, count in HISTOGRAM.items()},
        split,
        ("0af7651916cd43dd8448eb211c80319c",) if errors else (),
    )


def old(letter, bad=0.0):
    return f"uid-web-1-{letter}", f"node-{letter}", "1", bad


def new(letter, bad=0.4):
    return f"uid-web-2-{letter}", f"node-{letter}", "2", bad


def judged(windows):
    """The alerts that are sent, and the anomalies at the end."""
    states, alerts, last = {}, [], None
    for window in windows:
        last = judge([window], states)
        states = last.states
        alerts += to_alerts(last)
    return alerts, last.ongoing


def an_evidence_of(anomalies, **values):
    letters = values.pop("letters", "abc")
    revisions = (
        a_revision(1, good_at=NOW - timedelta(hours=1)),
        a_revision(2, current=True, created_at=BEGAN),
    )
    pods = tuple(a_pod(f"web-2-{letter}", created_at=BEGAN) for letter in letters)
    return an_evidence(
        *pods, **{"revisions": revisions, "telemetry": a_telemetry(*anomalies), "opened_at": BEGAN, **values}
    )


CALM = [a_window(number - LEARNT, counts(WEB, [old("a"), old("b"), old("c")], 1.0)) for number in range(LEARNT)]
BROKEN = [new("a"), new("b"), new("c")]
ROLLOUT = [[old("a"), old("b"), new("c")], [old("a"), new("b"), new("c")], *[BROKEN] * (BAD - 2)]


def test_a_release_that_serves_badly_is_rolled_back():
    bad = [a_window(number, counts(WEB, pods, 1.0)) for number, pods in enumerate(ROLLOUT)]
    alerts, anomalies = judged(CALM + bad)
    healing = [alert for alert in alerts if classify(alert, ()).handling is AlertHandlingMode.HEAL]
    (alert,) = {alert.fingerprint: alert for alert in healing if alert.status is AlertStatus.FIRING}.values()
    assert set(alert.annotations[PODS].split()) <= {f"uid-web-2-{letter}" for letter in "abc"}
    diagnosis, plan = decide(Findings(an_evidence_of(anomalies)), a_policy())
    assert diagnosis.cause is Cause.BAD_RELEASE, diagnosis
    assert isinstance(plan.steps[0].action, RestoreTemplate)


def test_a_single_pod_that_was_replaced_is_known_by_the_time():
    calm = [a_window(number - LEARNT, counts(WEB, [old("a")], 1.0, 100)) for number in range(LEARNT)]
    bad = [a_window(number, counts(WEB, [new("a")], 1.0, 100)) for number in range(BAD)]
    alerts, anomalies = judged(calm + bad)
    assert any(classify(alert, ()).handling is AlertHandlingMode.HEAL for alert in alerts)
    diagnosis, _ = decide(Findings(an_evidence_of(anomalies, letters="a")), a_policy())
    assert (diagnosis.cause, diagnosis.confidence) == (Cause.BAD_RELEASE, 0.6)


def test_without_a_release_nothing_is_written():
    bad = [a_window(number, counts(WEB, [old(letter, 0.4) for letter in "abc"], 1.0)) for number in range(BAD)]
    _, anomalies = judged(CALM + bad)
    evidence = an_evidence_of(anomalies)
    same = tuple(pod.model_copy(update={"uid": pod.uid.replace("web-2", "web-1")}) for pod in evidence.pods)
    history = (a_revision(1, good_at=NOW), a_revision(2, current=True, created_at=BEGAN - timedelta(days=1)))
    diagnosis, plan = decide(Findings(evidence.model_copy(update={"pods": same, "revisions": history})), a_policy())
    assert (diagnosis.cause, plan.steps, plan.reason) == (Cause.UNKNOWN, (), "AnomalyPersists")


def two(web_bad, cart_bad, own):
    """Web calls cart: what fails there fails in web too."""
    web = counts(WEB, [old(letter, web_bad) for letter in "abc"], 0.0)
    cart = counts(CART, [(f"uid-cart-{letter}", f"node-{letter}", "c", cart_bad) for letter in "ab"], own)
    calls = EdgeCounts(WEB, CART, calls=80, errors=round(80 * cart_bad), gap_ms=80.0)
    return (web, cart), (calls,)


@pytest.mark.parametrize("incidents", [(), (a_brief("cart-1", workload="Deployment/cart", opened_at=BEGAN),)])
def test_the_dependant_of_an_origin_waits(incidents):
    calm, bad = two(0.0, 0.0, 1.0), two(0.4, 0.5, 1.0)
    windows = [a_window(number - LEARNT, *calm[0], edges=calm[1]) for number in range(LEARNT)]
    windows += [a_window(number, *bad[0], edges=bad[1]) for number in range(BAD)]
    _, anomalies = judged(windows)
    about_web = [anomaly for anomaly in anomalies if anomaly.subject.workload == "web"]
    assert {str(anomaly.origin) for anomaly in anomalies} == {"shop/cart"}
    view = DependencyView(
        ref={"kind": "Deployment", "namespace": "shop", "name": "cart"}, known_by="by traces", anomaly="it fails"
    )
    evidence = an_evidence_of(about_web, dependencies=(view,), incidents=incidents)
    diagnosis, plan = decide(Findings(evidence), a_policy())
    assert (diagnosis.cause, plan.steps) == (Cause.DEPENDENCY_DOWN, ())
    assert Findings(evidence).dependency.incident == ("cart-1" if incidents else "")
