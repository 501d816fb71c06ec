"""The proof of a repair, the faults after it, and repairs that could not be judged."""

import pytest
from support.cases.builders import SERVED
from support.cases.inspection import condition, limits, template, with_cases
from support.cases.table import CASES

from prunella_workflows.model.quantity import parse_bytes

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480, func_only=True)]


@with_cases(*(name for name, case in CASES.items() if case.reason == SERVED))
def test_what_no_new_pod_proves_is_not_called_verified(case_run):
    assert condition(case_run.closed(), "Verified")[0] == "Unknown"


@with_cases("rolling-slowly", "stateful-slowly", "daemon-slowly", "stateful-back-slowly", "one-had-no-node")
def test_a_repair_that_takes_its_time_is_not_undone(case_run):
    (attempt,) = case_run.closed()["status"]["attempts"]
    assert (attempt["verdict"], attempt["undone"]) == ("Healed", False)


@with_cases("checks-unavailable", "scaled-to-zero-meanwhile")
def test_what_could_not_be_judged_stays_in_force(case_run):
    (attempt,) = case_run.closed()["status"]["attempts"]
    assert (attempt["verdict"], attempt["undone"]) == ("Inconclusive", False)
    assert template(case_run.live()) == template(case_run.first)


@with_cases("next-pod-fails-too")
def test_a_release_that_was_not_the_cause_is_put_back(case_run):
    case_run.closed()
    assert template(case_run.live()) == template(case_run.broken)


@with_cases("oom-again")
def test_the_second_raise_goes_beyond_the_first(case_run):
    case_run.closed()
    assert parse_bytes("150Mi") < parse_bytes(limits(case_run.live())["server"]) <= parse_bytes("256Mi")


@with_cases("leak-outgrows-a-raise", "bad-again-meanwhile", "healthy-for-a-moment", "forged-incident")
def test_the_release_before_is_back(case_run):
    case_run.closed()
    labels = template(case_run.live())["metadata"]["labels"]
    assert labels["app.kubernetes.io/version"] == "1"
    assert limits(case_run.live()) == {"server": "64Mi"}


@with_cases("second-good-release")
def test_the_latest_good_release_is_gone_back_to(case_run):
    case_run.closed()
    assert template(case_run.live())["metadata"]["labels"]["app.kubernetes.io/version"] == "2"


@with_cases("exits-137", "exits-137-by-its-data")
def test_137_alone_is_no_lack_of_memory(case_run):
    case_run.closed()
    assert limits(case_run.live()) == {"server": "64Mi"}


@with_cases("nowhere", "no-such-target")
def test_a_name_that_leads_nowhere_ends_with_a_next_step(case_run):
    status = case_run.closed()["status"]
    assert "nowhere" in status["message"]
    assert status["nextStep"]
