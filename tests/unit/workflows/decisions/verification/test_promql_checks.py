"""The policy's checks: when they decide, and what no answer means."""

import math

import pytest
from builders import NOW, ago, an_expectation
from hypothesis import given
from hypothesis import strategies as st

from prunella_workflows.decisions.verification.promql_checks import CheckResult, judge
from prunella_workflows.model.measurement import NoData, Reading, Why
from prunella_workflows.model.outcome import Verdict
from prunella_workflows.model.plan import Settle
from prunella_workflows.model.policy_verification import Check

NOT_CONFIGURED = NoData(why=Why.NOT_CONFIGURED, message="no Prometheus is configured")
AWAY = NoData(why=Why.UNREACHABLE, message="Prometheus cannot be reached: Connection refused")
OPERATORS = ("<", "<=", ">", ">=", "==", "!=")


def asked(answer, name="errors", query="x", operator="<=", threshold=0.05):
    value = Reading(value=answer, at=NOW) if isinstance(answer, float | int) else answer
    return CheckResult(check=Check(name=name, query=query, operator=operator, threshold=threshold), result=value)


def judged(*all_asked, held=70, timeout=120, window=60, written=None, blind=0):
    """The pods are well for `held` seconds; the repair was written just before, unless said otherwise."""
    written = held if written is None else written
    expected = an_expectation(
        written_at=ago(written), settle=Settle(timeout=timeout, window=window), has_checks=True, blind=blind
    )
    return judge(all_asked, expected, ago(held), NOW)


@pytest.mark.parametrize(
    ("value", "operator", "threshold", "holds"),
    [
        (1, "<", 1, False),
        (0.9, "<", 1, True),
        (1, "<=", 1, True),
        (1, ">", 1, False),
        (1, ">=", 1, True),
        (1, "==", 1, True),
        (1, "!=", 1, False),
        (math.inf, "<=", 1, False),
        (-math.inf, "<=", 1, True),
        (math.inf, ">", 1, True),
    ],
)
def test_how_a_value_compares(value, operator, threshold, holds):
    assert asked(value, operator=operator, threshold=threshold).passes is holds


def test_a_check_says_what_it_is():
    assert str(asked(0.251)) == "check errors is 0.251 and must be <= 0.05"
    assert str(asked(AWAY)) == "check errors has no result: Prometheus cannot be reached: Connection refused"


def test_an_operator_of_a_later_release_is_no_answer():
    check = asked(1, operator="~")
    assert check.passes is None
    assert judged(check, held=121).message == "check errors has the unknown operator ~"


def test_all_true_heals_at_once():
    judgement = judged(asked(0.01), asked(5, "requests", operator=">", threshold=1))
    assert (judgement.verdict, judgement.reason) == (Verdict.HEALED, "Stable")
    assert "2 check(s) pass" in judgement.message


@pytest.mark.parametrize("second", [asked(0.2), asked(AWAY)], ids=["false", "no answer"])
def test_one_that_is_not_true_is_asked_again(second):
    judgement = judged(asked(0.01), second)
    assert (judgement.verdict, judgement.reason) == (None, "Checking")
    assert judgement.message == str(second)


def test_one_that_stays_false_undoes():
    judgement = judged(asked(0.01), asked(0.2), held=121)
    assert (judgement.verdict, judgement.reason) == (Verdict.NOT_HEALED, "CheckFailed")
    assert judgement.message == "check errors is 0.2 and must be <= 0.05"


def test_no_answer_until_the_end_is_no_verdict():
    judgement = judged(asked(0.01), asked(AWAY, "latency"), held=121)
    assert (judgement.verdict, judgement.reason) == (Verdict.INCONCLUSIVE, "ChecksUnavailable")
    assert judgement.message == "check latency has no result: Prometheus cannot be reached: Connection refused"


def test_one_false_counts_more_than_one_without_an_answer():
    assert judged(asked(AWAY), asked(0.2), held=121).reason == "CheckFailed"


def test_without_a_prometheus_nobody_waits():
    judgement = judged(asked(NOT_CONFIGURED))
    assert (judgement.verdict, judgement.reason) == (Verdict.INCONCLUSIVE, "ChecksUnavailable")


def test_a_step_of_an_earlier_release_did_not_record_its_checks():
    judgement = judged()
    assert (judgement.verdict, judgement.reason) == (Verdict.INCONCLUSIVE, "ChecksUnavailable")


@pytest.mark.parametrize(
    ("query", "held", "values", "open_"),
    [
        ("x", 119, {}, True),
        ("x", 121, {}, False),
        ("x", 200, {"timeout": 300}, True),
        ("x", 301, {"timeout": 300}, False),
        ("x", 130, {"blind": 30}, True),
        ("x", 151, {"blind": 30}, False),
        ("x", 130, {"written": 400}, False),
        ("x", 100, {"written": 400}, True),
        ("rate(x[5m])", 350, {}, True),
        ("rate(x[5m])", 361, {}, False),
        ("rate(x[1d])", 3600, {}, True),
        ("rate(x[1d])", 3661, {}, False),
    ],
)
def test_how_long_a_check_is_asked_again(query, held, values, open_):
    """To the deadline, for one more window, and until the query no longer sees the time before the repair."""
    assert (judged(asked(0.2, query=query), held=held, **values).verdict is None) is open_


ANSWERS = st.floats(allow_nan=False) | st.sampled_from([AWAY, NOT_CONFIGURED, NoData(why=Why.STALE, message="old")])


@given(
    answers=st.lists(st.tuples(ANSWERS, st.sampled_from(OPERATORS), st.floats(allow_nan=False)), max_size=4),
    held=st.integers(min_value=60, max_value=8000),
)
def test_health_is_said_only_when_every_check_is_true_and_all_is_decided_in_the_end(answers, held):
    all_asked = [asked(answer, operator=operator, threshold=limit) for answer, operator, limit in answers]
    judgement = judged(*all_asked, held=held)
    true = [check.passes for check in all_asked]
    if judgement.verdict is Verdict.HEALED:
        assert true
        assert all(true)
    if judgement.verdict is Verdict.NOT_HEALED:
        assert False in true
    if held > 3661:
        assert judgement.verdict is not None
    assert judgement.message
