"""confirm and verify of pressure: healthy pods are no recovery, what is measured decides, and no data is neither."""

from datetime import timedelta

import pytest
from builders import (
    NOW,
    a_container,
    a_crashing_container,
    a_deployment,
    a_pod,
    a_policy,
    a_spec,
    a_termination,
    a_usage,
    ago,
    an_autoscaler,
    an_evidence,
    an_expectation,
    an_unavailable_deployment,
    scaled_by,
)

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.verification.confirmation import confirm
from prunella_workflows.decisions.verification.verification import CHECKS_DUE, verify
from prunella_workflows.model.incident import IncidentType
from prunella_workflows.model.outcome import Presence, Verdict
from prunella_workflows.model.plan import Relief, Settle

CORE = a_deployment(a_container(cpu_limit=1.0))
GRACE = 10.0


def pressed(*used, kind=IncidentType.HIGH_CPU, workload=CORE, **values):
    usage = a_usage(*used, cpu=kind is IncidentType.HIGH_CPU) if used else None
    return an_evidence(*values.pop("pods", ()), incident=a_spec(type=kind), workload=workload, usage=usage, **values)


HIGH, LOW = (0.9, 0.9, 0.9), (0.2, 0.2, 0.2)


@pytest.mark.parametrize(
    ("evidence", "calm_since", "presence", "reason"),
    [
        pytest.param(pressed(*HIGH), None, Presence.FAILING, "PressurePersists", id="it lasts beyond the grace"),
        pytest.param(
            pressed(*HIGH, opened_at=ago(9)), None, Presence.WATCHING, "Watching", id="it lasts within the grace"
        ),
        pytest.param(
            pressed(*HIGH), ago(60), Presence.FAILING, "PressurePersists", id="it came back after a minute of calm"
        ),
        pytest.param(pressed(*LOW), None, Presence.WATCHING, "Calm", id="calm, the first look"),
        pytest.param(pressed(*LOW), ago(29), Presence.WATCHING, "Calm", id="calm, not for long"),
        pytest.param(pressed(*LOW), ago(30), Presence.RECOVERED, "HealedByItself", id="calm for the quiet time"),
        pytest.param(pressed(opened_at=ago(179)), ago(179), Presence.WATCHING, "NotMeasured", id="no measurements yet"),
        pytest.param(
            pressed(opened_at=ago(180)), None, Presence.FAILING, "NotMeasured", id="no measurements: for the diagnosis"
        ),
        pytest.param(
            pressed(0.2, 0.2, None), ago(300), Presence.WATCHING, "NotMeasured", id="one pod was not measured"
        ),
        pytest.param(
            pressed(0.9, 0.9, None), None, Presence.FAILING, "PressurePersists", id="two busy ones are enough"
        ),
        pytest.param(
            pressed(*LOW, workload=an_unavailable_deployment(a_container(cpu_limit=1.0))),
            ago(300),
            Presence.WATCHING,
            "Calm",
            id="little is used because pods are missing: no recovery",
        ),
        pytest.param(
            pressed(*HIGH, scaling=scaled_by(an_autoscaler(max_replicas=9))),
            None,
            Presence.WATCHING,
            "AutoscalerActs",
            id="an autoscaler can still act: it is given time",
        ),
        pytest.param(
            pressed(*HIGH, scaling=scaled_by()), None, Presence.FAILING, "PressurePersists", id="one at its maximum"
        ),
        pytest.param(
            pressed(*HIGH, scaling=scaled_by(an_autoscaler(max_replicas=9, active=False))),
            None,
            Presence.FAILING,
            "PressurePersists",
            id="one that cannot act",
        ),
        pytest.param(
            pressed(60, 60, 60, kind=IncidentType.HIGH_MEMORY, scaling=scaled_by(an_autoscaler(max_replicas=9))),
            None,
            Presence.FAILING,
            "PressurePersists",
            id="memory is no business of an autoscaler",
        ),
        pytest.param(
            pressed(32, 32, 32, kind=IncidentType.HIGH_MEMORY),
            ago(60),
            Presence.RECOVERED,
            "HealedByItself",
            id="memory",
        ),
        pytest.param(
            pressed(
                *LOW,
                pods=(a_pod("web-2-a", a_crashing_container(last=a_termination(finished_at=ago(400)))), a_pod("b")),
            ),
            ago(300),
            Presence.FAILING,
            "FaultPersists",
            id="a pod that fails is a fault whatever it uses",
        ),
        pytest.param(
            an_evidence(usage=a_usage(*HIGH), workload=CORE),
            None,
            Presence.RECOVERED,
            "HealedByItself",
            id="an incident of another kind has nothing to do with it",
        ),
    ],
)
def test_confirm(evidence, calm_since, presence, reason):
    sighting = confirm(Findings(evidence), a_policy(grace=GRACE), calm_since)
    assert (sighting.presence, sighting.reason) == (presence, reason)


def test_a_longer_grace_is_a_longer_quiet_time():
    assert confirm(Findings(pressed(*LOW)), a_policy(grace=120), ago(119)).presence is Presence.WATCHING
    assert confirm(Findings(pressed(*LOW)), a_policy(grace=120), ago(120)).presence is Presence.RECOVERED


def test_the_calm_is_handed_back_until_it_ends():
    assert confirm(Findings(pressed(*LOW)), a_policy(grace=GRACE)).calm_since == NOW
    assert confirm(Findings(pressed(*LOW)), a_policy(grace=GRACE), ago(10)).calm_since == ago(10)
    for ended in (pressed(*HIGH, opened_at=ago(1)), pressed()):
        assert confirm(Findings(ended), a_policy(grace=GRACE), ago(10)).calm_since is None


# After a repair

RELIEF = Settle(timeout=120, window=60, relief=Relief(resource="cpu", container="app", below=0.8))
WRITTEN = ago(100)
FIVE = a_deployment(a_container(cpu_limit=1.0), replicas=5, last_action="uid-incident-1")
PODS = tuple(a_pod(f"web-2-{letter}", created_at=ago(99), ready_since=ago(80)) for letter in "abcde")
BUSY, CALM = [0.9] * 5, [0.5] * 5


def scaled(**values):
    return an_expectation(**{"settle": RELIEF, "written_at": WRITTEN, "replicas": 5, "number_before": 3, **values})


def judged(*used, workload=FIVE, pods=PODS, at=None, expected=None, autoscaler=None, after=100.0, **values):
    """One poll `after` seconds after the write; usage was measured immediately before it."""
    now = WRITTEN + timedelta(seconds=after)
    usage = a_usage(*used, at=at or now - timedelta(seconds=5)) if used else None
    wanted = expected or scaled(**values)
    return verify(workload, pods, wanted, now, usage=usage, autoscaler=autoscaler)


LONG_CALM = {"calm_since": ago(60)}


@pytest.mark.parametrize(
    ("judgement", "verdict", "reason"),
    [
        pytest.param(judged(*CALM), None, "Holding", id="calm, the first look"),
        pytest.param(judged(*CALM, calm_since=ago(59)), None, "Holding", id="calm, not for the whole window"),
        pytest.param(judged(*CALM, **LONG_CALM), Verdict.HEALED, "Stable", id="calm for the window"),
        pytest.param(
            judged(*CALM, calm_since=ago(90), pods=(*PODS[:4], a_pod("web-2-e", ready_since=ago(30)))),
            None,
            "Holding",
            id="the pods must have been ready for the window as well",
        ),
        pytest.param(judged(*BUSY, **LONG_CALM), None, "StillHigh", id="busy again before the deadline"),
        pytest.param(judged(*BUSY, after=140), Verdict.NOT_HEALED, "StillHigh", id="busy at the deadline"),
        pytest.param(judged(*CALM, after=150), None, "Holding", id="calm since a moment, after the deadline"),
        pytest.param(judged(), None, "MetricsUnavailable", id="no data before the deadline"),
        pytest.param(judged(after=199), None, "MetricsUnavailable", id="no data, a window later may be in time"),
        pytest.param(judged(after=200), Verdict.INCONCLUSIVE, "MetricsUnavailable", id="no data at all"),
        pytest.param(
            judged(*CALM[:4], None, after=200, **LONG_CALM),
            Verdict.INCONCLUSIVE,
            "MetricsUnavailable",
            id="one pod is not measured",
        ),
        pytest.param(
            judged(*CALM, at=WRITTEN, **LONG_CALM), None, "MetricsUnavailable", id="measured before the repair"
        ),
        pytest.param(
            judged(*CALM, workload=FIVE.model_copy(update={"available_replicas": 3}), **LONG_CALM),
            None,
            "Settling",
            id="not all replicas are there",
        ),
        pytest.param(
            judged(*CALM, workload=FIVE.model_copy(update={"available_replicas": 3}), after=140),
            Verdict.INCONCLUSIVE,
            "NotSettled",
            id="they never came",
        ),
        pytest.param(
            judged(*CALM, workload=FIVE.model_copy(update={"replicas": 6}), **LONG_CALM),
            Verdict.INCONCLUSIVE,
            "ChangedByOthers",
            id="scaled by a person",
        ),
        pytest.param(
            judged(*CALM, workload=FIVE.model_copy(update={"replicas": 3}), **LONG_CALM),
            Verdict.INCONCLUSIVE,
            "OwnedElsewhere",
            id="the old number was put back",
        ),
        pytest.param(
            judged(*CALM, workload=FIVE.model_copy(update={"template_hash": "hash-9"}), **LONG_CALM),
            Verdict.INCONCLUSIVE,
            "ChangedByOthers",
            id="a new release",
        ),
        pytest.param(judged(*CALM, has_checks=True, **LONG_CALM), None, CHECKS_DUE, id="then the policy's checks"),
    ],
)
def test_verify(judgement, verdict, reason):
    assert (judgement.verdict, judgement.reason) == (verdict, reason)


def test_time_in_which_nobody_could_look_does_not_count():
    assert judged(*BUSY, after=150, blind=60.0).verdict is None


def test_the_calm_of_a_repair_is_handed_back_until_it_ends():
    assert judged(*CALM).calm_since == NOW
    assert judged(*CALM, calm_since=ago(20)).calm_since == ago(20)
    assert judged(*CALM, has_checks=True, **LONG_CALM).calm_since == ago(60)
    assert judged(*BUSY, **LONG_CALM).calm_since is None
    assert judged(**LONG_CALM).calm_since is None


def test_a_repair_that_was_judged_healed_says_what_is_used():
    assert "uses 50.0% of its CPU" in judged(*CALM, **LONG_CALM).message


# With an autoscaler, which is what the repair wrote: the workload has no mark of it

RAISED = {"max_replicas": 5, "replicas": None, "template_hash": "", **LONG_CALM}
OURS = an_autoscaler(max_replicas=5, last_action="uid-incident-1")
UNMARKED = FIVE.model_copy(update={"last_action": ""})


@pytest.mark.parametrize(
    ("workload", "autoscaler", "verdict", "reason"),
    [
        pytest.param(UNMARKED, OURS, Verdict.HEALED, "Stable", id="it scaled out"),
        pytest.param(
            UNMARKED.model_copy(update={"replicas": 7}), OURS, None, "Settling", id="it asks for more pods just now"
        ),
        pytest.param(UNMARKED, None, Verdict.INCONCLUSIVE, "ChangedByOthers", id="it is gone"),
        pytest.param(
            UNMARKED,
            OURS.model_copy(update={"max_replicas": 3}),
            Verdict.INCONCLUSIVE,
            "OwnedElsewhere",
            id="the old maximum was put back",
        ),
        pytest.param(
            UNMARKED,
            OURS.model_copy(update={"max_replicas": 9}),
            Verdict.INCONCLUSIVE,
            "ChangedByOthers",
            id="another maximum was set",
        ),
        pytest.param(
            UNMARKED,
            OURS.model_copy(update={"last_action": "other-1"}),
            Verdict.INCONCLUSIVE,
            "ChangedByOthers",
            id="another repair",
        ),
    ],
)
def test_verify_a_higher_maximum(workload, autoscaler, verdict, reason):
    judgement = judged(*CALM, workload=workload, autoscaler=autoscaler, **RAISED)
    assert (judgement.verdict, judgement.reason) == (verdict, reason)
