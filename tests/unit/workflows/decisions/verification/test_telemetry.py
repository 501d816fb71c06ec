"""Telemetry as proof of a fault and of its end. No data prove neither."""

import pytest
from builders import a_brief, a_crashing_container, a_pod, a_telemetry, ago, an_anomaly, an_evidence, an_expectation

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.verification.telemetry import confirm, judge
from prunella_workflows.model.outcome import Presence, Sighting, Verdict
from prunella_workflows.model.plan import Settle

WELL = Sighting(presence=Presence.RECOVERED, reason="HealedByItself", message="the pods are healthy again")
SETTLE = Settle(timeout=120, window=60, telemetry=True)


def confirmed(evidence, sighting=WELL, grace=10.0):
    return confirm(sighting, Findings(evidence), grace)


def an_alarmed_evidence(*pods, opened=60, **values):
    """An incident that an alert opened, which still fires."""
    own = a_brief("web-1", source="alerts", alert_since=ago(100))
    return an_evidence(
        *pods,
        **{
            "telemetry": a_telemetry(an_anomaly()),
            "incidents": (own,),
            "incident_name": "web-1",
            "opened_at": ago(opened),
            **values,
        },
    )


def test_an_anomaly_is_a_fault_although_all_pods_are_well():
    sighting = confirmed(an_alarmed_evidence())
    assert (sighting.presence, sighting.reason) == (Presence.FAILING, "AnomalyPersists")
    assert "40.0% of 300 requests fail" in sighting.message


def test_the_grace_of_the_policy_comes_first():
    assert confirmed(an_alarmed_evidence(opened=5)).presence is Presence.WATCHING


@pytest.mark.parametrize(
    "values",
    [
        {"telemetry": None},
        {"telemetry": a_telemetry()},
        {"telemetry": a_telemetry(an_anomaly(until=ago(30)))},
        {"telemetry": a_telemetry(an_anomaly(critical=False))},
        {"telemetry": a_telemetry(an_anomaly(), read_to=ago(600))},
        {"incidents": ()},
        {"incidents": (a_brief("web-1", source="alerts"),)},
    ],
    ids=["none", "calm", "over", "not critical", "old", "not of an alert", "the alert is over"],
)
def test_otherwise_the_pods_decide(values):
    assert confirmed(an_alarmed_evidence(**values)) == WELL


def test_pods_that_fail_decide_themselves():
    watching = Sighting(presence=Presence.WATCHING, reason="BackOff")
    assert confirmed(an_alarmed_evidence(a_pod("web-2-a", a_crashing_container())), watching) == watching


# The end of the anomaly


def judged(view, now=0, **values):
    """A repair written 200 s ago whose pods have been stable for 150 s."""
    expected = an_expectation(written_at=ago(200), settle=SETTLE, **values)
    return judge(view, expected, ago(150), ago(-now))


def test_back_at_the_baseline_is_healed():
    judgement = judged(a_telemetry())
    assert (judgement.verdict, judgement.reason) == (Verdict.HEALED, "Stable")
    assert "0.5% of 600 requests fail, usually 0.5%" in judgement.message


BAD = {"errors": a_telemetry(error_share=0.2), "slow": a_telemetry(p95_ms=200.0)}
BLIND = {
    "cannot be read": None,
    "stale": a_telemetry(read_to=ago(100)),
    "no requests": a_telemetry(requests=0),
    "few requests": a_telemetry(requests=19),
    "nothing learnt": a_telemetry(error_baseline=None),
    "no durations learnt": a_telemetry(p95_baseline_ms=None),
}


@pytest.mark.parametrize("view", [*BAD.values(), *BLIND.values()], ids=[*BAD, *BLIND])
def test_before_the_deadline_nothing_is_decided(view):
    judgement = judged(view)
    assert (judgement.verdict, judgement.reason) == (None, "Checking")


@pytest.mark.parametrize("view", BAD.values(), ids=BAD)
def test_still_high_is_not_healed(view):
    late = view.model_copy(update={"read_to": ago(-50)})
    judgement = judged(late, now=60)
    assert (judgement.verdict, judgement.reason) == (Verdict.NOT_HEALED, "NotAtBaseline")


@pytest.mark.parametrize("view", BLIND.values(), ids=BLIND)
def test_no_data_is_inconclusive(view):
    judgement = judged(view, now=60)
    assert (judgement.verdict, judgement.reason) == (Verdict.INCONCLUSIVE, "TelemetryUnavailable")


def test_data_from_before_the_repair_say_nothing_about_it():
    """They would call any rollout healed, or not healed, by what the old pods did."""
    for view in (a_telemetry(read_to=ago(100)), a_telemetry(error_share=0.9, read_to=ago(100))):
        assert judged(view, now=60).verdict is Verdict.INCONCLUSIVE


def test_chance_is_no_relapse():
    """One error in 60 requests is 1.7 %, and usual is 0.5 %."""
    assert judged(a_telemetry(requests=60, error_share=1 / 60)).verdict is Verdict.HEALED


def test_time_in_which_nothing_could_be_observed_does_not_count():
    assert judged(None, now=60, blind=300.0).verdict is None
