"""Playbook network_timeout: a process that hangs is restarted once, one that answers "not ready" is left alone."""

import pytest
from builders import (
    NOW,
    a_container,
    a_container_status,
    a_crashing_container,
    a_pod,
    a_policy,
    a_restarted_container,
    a_termination,
    ago,
    an_attempt,
    an_evidence,
    an_unavailable_deployment,
    the_history,
)

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.diagnosis.probe_events import (
    probe_reason_pending,
    readiness_pending,
    termination_reason_pending,
)
from prunella_workflows.decisions.playbooks.network_timeout import diagnose, plan
from prunella_workflows.decisions.playbooks.playbook import PlanCase
from prunella_workflows.model.evidence import EventView
from prunella_workflows.model.outcome import Cause, Diagnosis, Rejected
from prunella_workflows.model.plan import Restart

HANGING = a_pod("web-2-a", a_container_status(ready=False), unready_since=ago(60))
TIMED_OUT = "Readiness probe failed: Get http://10.0.0.1:8080/: context deadline exceeded (Client.Timeout exceeded)"
ANSWERED = "Readiness probe failed: HTTP probe failed with statuscode: 503"


REFUSED = "Readiness probe failed: Get http://10.0.0.1:8080/: dial tcp 10.0.0.1:8080: connect: connection refused"


def _unready(since):
    return a_pod("web-2-a", a_container_status(ready=False), unready_since=since)


def _word(message=TIMED_OUT, about="web-2-a", reason="Unhealthy", at=NOW):
    return EventView(about=about, reason=reason, message=message, at=at)


def _evidence(*pods, **values):
    return an_evidence(
        *(pods or (HANGING, a_pod("web-2-b"))),
        **{
            "workload": an_unavailable_deployment(),
            "revisions": the_history(good_at=ago(3600)),
            "events": (_word(),),
            **values,
        },
    )


@pytest.mark.parametrize(
    "message",
    [
        TIMED_OUT,
        "Liveness probe failed: dial tcp 10.0.0.1:8080: i/o timeout",
        "Readiness probe errored: command timed out",
    ],
)
def test_recognises_a_process_that_does_not_answer(message):
    diagnosis = diagnose(Findings(_evidence(events=(_word(ANSWERED), _word(message)))))
    assert isinstance(diagnosis, Diagnosis)
    assert diagnosis.cause is Cause.NETWORK_TIMEOUT
    assert "1 of 2 pod(s)" in diagnosis.message
    assert diagnosis.decided_by == (f"pod web-2-a: {message}",)


@pytest.mark.parametrize(
    ("pods", "values"),
    [
        pytest.param((HANGING,), {}, id="a single replica"),
        pytest.param((HANGING, a_pod("b", a_container_status(ready=False), unready_since=ago(91))), {}, id="in turn"),
        pytest.param(
            (HANGING,),
            {
                "workload": an_unavailable_deployment(a_container(liveness=True)),
                "events": (_word("Liveness probe failed: context deadline exceeded"), _word()),
            },
            id="its liveness probe fails as well",
        ),
    ],
)
def test_a_process_that_hangs_by_itself_is_restarted(pods, values):
    assert isinstance(diagnose(Findings(_evidence(*pods, **values))), Diagnosis)


def _serving_since(end):
    """A fellow that crashed so many seconds ago and is ready."""
    return a_pod("web-2-b", a_restarted_container(running_since=ago(end), last=a_termination(finished_at=ago(end))))


def _ran_before(end):
    """A process that hangs in a run that another one preceded, which ended so many seconds ago."""
    last = a_termination(finished_at=ago(end))
    return a_pod("web-2-a", a_container_status(ready=False, running_since=ago(end), last=last), unready_since=ago(60))


@pytest.mark.parametrize("pods", [(_ran_before(900), a_pod("web-2-b")), (HANGING, _serving_since(900))])
def test_a_crash_of_long_ago_says_nothing_of_a_hang(pods):
    assert isinstance(diagnose(Findings(_evidence(*pods))), Diagnosis)


@pytest.mark.parametrize(
    ("evidence", "why"),
    [
        pytest.param(_evidence(a_pod()), "no pod just hangs", id="healthy pods"),
        pytest.param(_evidence(HANGING, a_pod("b", a_crashing_container())), "other ways", id="another pod crashes"),
        pytest.param(_evidence(HANGING, _serving_since(300)), "other ways", id="another pod crashed a moment ago"),
        pytest.param(
            _evidence(a_pod("web-2-a", a_restarted_container(ready=False))), "no pod just", id="it crashed before"
        ),
        pytest.param(_evidence(_ran_before(300)), "has just restarted it", id="the kubelet's own restart did not help"),
        pytest.param(
            _evidence(revisions=the_history()), "the release is new", id="a release that may never have answered"
        ),
        pytest.param(_evidence(events=()), "reports no probe", id="no word of the kubelet"),
        pytest.param(
            _evidence(workload=an_unavailable_deployment(probe_hosts=("ledger",))),
            "the probe asks ledger",
            id="the probe is about another host",
        ),
        pytest.param(
            _evidence(HANGING, HANGING.model_copy(update={"name": "b", "unready_since": ago(90)})),
            "all 2 replicas lost their readiness",
            id="all replicas at once",
        ),
        pytest.param(
            _evidence(workload=an_unavailable_deployment(a_container(liveness=True))),
            "the liveness probe of pod web-2-a passes",
            id="its liveness probe passes",
        ),
        pytest.param(
            _evidence(events=(_word(ANSWERED),)), "reports no probe", id="the probe is answered with an error"
        ),
        pytest.param(
            _evidence(events=(_word(), _word(ANSWERED))), "reports no probe", id="it hung before and answers now"
        ),
        pytest.param(_evidence(events=(_word(about="web-2-b"),)), "reports no probe", id="a word on another pod"),
        pytest.param(_evidence(events=(_word(reason="BackOff"),)), "reports no probe", id="a word on something else"),
    ],
)
def test_does_not_recognise(evidence, why):
    answer = diagnose(Findings(evidence))
    assert isinstance(answer, Rejected)
    assert why in answer.reason


@pytest.mark.parametrize(
    ("events", "cause"),
    [
        pytest.param((_word(REFUSED, at=ago(75)), _word(at=ago(60))), True, id="it was refused at its start"),
        pytest.param((_word(at=ago(61)), _word(REFUSED, at=ago(75))), True, id="late and out of order"),
        pytest.param((_word(at=ago(300)), _word(ANSWERED, at=ago(59))), False, id="it hung another time"),
        pytest.param((_word(at=None),), True, id="a word without a time"),
    ],
)
def test_only_what_was_said_since_it_is_not_ready_counts(events, cause):
    assert isinstance(diagnose(Findings(_evidence(events=events))), Diagnosis) is cause


@pytest.mark.parametrize(
    ("evidence", "early"),
    [
        pytest.param(_evidence(events=()), True, id="no word at all"),
        pytest.param(_evidence(events=(_word(REFUSED, at=ago(90)),)), True, id="words of its start only"),
        pytest.param(_evidence(events=(_word(about="web-2-b"),)), True, id="words about another pod"),
        pytest.param(_evidence(), False, id="the kubelet has said it"),
        pytest.param(_evidence(events=(_word(ANSWERED),)), False, id="the kubelet has said otherwise"),
        pytest.param(
            _evidence(a_pod("web-2-a", a_container_status(ready=False), unready_since=ago(91)), events=()),
            False,
            id="after a minute and a half nothing more is to be expected",
        ),
        pytest.param(_evidence(HANGING, a_pod("b", a_crashing_container()), events=()), False, id="another crashes"),
        pytest.param(_evidence(a_pod(), events=()), False, id="all are well"),
    ],
)
def test_without_a_word_of_the_kubelet_it_is_too_early_to_tell(evidence, early):
    assert bool(probe_reason_pending(Findings(evidence))) is early


def test_it_is_restarted_under_a_stamp_that_the_incident_gives():
    evidence = _evidence()
    (step,) = plan(PlanCase(diagnose(Findings(evidence)), Findings(evidence), a_policy())).steps
    assert isinstance(step.action, Restart)
    assert step.action.stamp == "2026-03-04T11:55:00Z"  # when the incident was opened, whenever this is asked
    assert (step.action.require.uid, step.action.require.template_hash) == ("uid-web", "hash-2")
    assert str(step.action) == "restart Deployment/web by a rolling update"


def test_it_is_restarted_once():
    evidence = _evidence()
    left = plan(PlanCase(diagnose(Findings(evidence)), Findings(evidence), a_policy(), (an_attempt(action="Restart"),)))
    assert (left.steps, left.reason) == ((), "HangsAgain")


def test_a_pod_that_has_been_silent_for_a_moment_only_is_given_time():
    moment = a_pod("web-2-a", a_container_status(ready=False), unready_since=ago(5))
    assert isinstance(diagnose(Findings(_evidence(moment))), Rejected)


@pytest.mark.parametrize(
    ("pods", "early"),
    [
        pytest.param([_unready(ago(8)), a_pod("b")], True, id="its kubelet called it ready for a moment"),
        pytest.param([_unready(ago(30)), a_pod("b")], False, id="it lasts"),
        pytest.param([_unready(ago(8)), a_pod("b", a_crashing_container())], False, id="another pod fails"),
        pytest.param([_unready(None), a_pod("b")], False, id="it was never ready"),
        pytest.param([a_pod(ready_since=ago(8))], True, id="its kubelet has just called it ready"),
        pytest.param([a_pod(ready_since=ago(30))], False, id="it stays ready"),
        pytest.param([a_pod()], False, id="all are well"),
    ],
)
def test_a_pod_that_was_ready_in_between_is_looked_at_again(pods, early):
    assert bool(readiness_pending(Findings(_evidence(*pods)))) is early


@pytest.mark.parametrize(
    ("values", "early"),
    [
        pytest.param({"restarts": 1, "running_since": ago(5)}, True, id="restarted, and no word of the run before"),
        pytest.param({"restarts": 1, "running_since": ago(90)}, False, id="no word will come"),
        pytest.param({"restarts": 1, "last": a_termination()}, False, id="already reported"),
        pytest.param({"restarts": 0, "running_since": ago(5)}, False, id="its first run"),
    ],
)
def test_a_restart_that_is_not_told_yet_is_waited_for(values, early):
    pod = a_pod("web-2-a", a_container_status(ready=False, **values))
    assert bool(termination_reason_pending(an_evidence(pod))) is early
