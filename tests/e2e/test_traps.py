"""Faults that look like others, and repairs in odd circumstances: checks besides the end of incidents."""

import pytest
from support.cases import bystanders, oddities, traps
from support.cases.builders import SERVED
from support.cases.inspection import limits, template, with_cases

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480, func_only=True)]

ALONE = (*traps.CASES, *bystanders.CASES)
UNTOUCHED = [case.name for case in ALONE if not case.writes and not case.name.endswith("-meanwhile")]
OTHERS = {"oom-drags-another", "scaled-meanwhile"}
ROLLED_BACK = ["evicted-before", *(case.name for case in oddities.CASES if case.name not in OTHERS)]


@with_cases(*UNTOUCHED)
def test_the_workload_is_as_its_owner_left_it(case_run):
    assert case_run.live()["spec"] == case_run.broken["spec"]
    assert "prunella.dev/last-action" not in (case_run.live()["metadata"].get("annotations") or {})


@with_cases(*ROLLED_BACK)
def test_the_last_good_template_is_back(case_run):
    (attempt,) = case_run.closed()["status"]["attempts"]
    assert (attempt["action"], attempt["verdict"]) == ("RestoreTemplate", "Healed")
    assert template(case_run.live()) == template(case_run.first)


@with_cases("scaled-meanwhile")
def test_replicas_that_a_person_set_stay(case_run):
    case_run.closed()
    live = case_run.live()
    assert live["spec"]["replicas"] == 2
    assert template(live) == template(case_run.first)


@with_cases("changed-again")
def test_both_bad_releases_are_gone(case_run):
    case_run.closed()
    first, second = case_run.incidents()
    assert (second["status"]["phase"], second["status"]["reason"]) == ("Healed", SERVED)
    assert template(case_run.live()) == template(case_run.first)
    assert first["status"]["attempts"][0]["verdict"] == "Inconclusive"


@with_cases("good-release-gone")
def test_a_good_release_that_cannot_run_any_more_is_not_left_behind(case_run):
    (attempt,) = case_run.closed()["status"]["attempts"]
    assert (attempt["action"], attempt["verdict"], attempt["undone"]) == ("RestoreTemplate", "NotHealed", True)
    assert template(case_run.live()) == template(case_run.broken)
    assert 'configmap "settings-1" not found' in str(case_run.closed()["status"]["attempts"])


@with_cases("limit-put-back")
def test_the_limit_that_somebody_holds_stays(case_run):
    case_run.closed()
    assert limits(case_run.live()) == {"server": "64Mi"}


@with_cases("oom-default-limit")
def test_a_limit_from_elsewhere_is_named(case_run):
    assert "its pods got 64Mi from elsewhere" in case_run.closed()["status"]["message"]


@with_cases("oom-disruption")
def test_the_disruption_budget_is_named(case_run):
    assert "PodDisruptionBudget/recommendations" in case_run.closed()["status"]["message"]


@with_cases("oom-drags-another")
def test_only_the_container_that_was_short_of_memory_gets_more(case_run):
    case_run.closed()
    assert limits(case_run.live()) == {"server": "64Mi", "cache": "128Mi"}
