"""Slow releases, refused pods, missing places, shared causes: the culprit is named, and nothing else is touched."""

import pytest
from support.cases import patience, places, refusals, shared
from support.cases.inspection import template, with_cases

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480, func_only=True)]

CASES = (*patience.CASES, *places.CASES, *refusals.CASES, *shared.CASES)
INNOCENT = [case.name for case in CASES if case.phase == "Escalated" and not case.refused]
UNTOUCHED = [case.name for case in CASES if not case.writes and case.kind == "Deployment"]
GUILTY = [case.name for case in CASES if (case.phase, case.cause) == ("Healed", "bad_release")]
NAMED = {
    "webhook-down": "pods.shop.example.org",
    "webhook-down-for-a-pod": "pods.shop.example.org",
    "policy-refuses-all": "not in this shop",
    "sidecar-crashes": "mesh",
    "quota-asks-for-less": "bounds",
    "runtime-gone": "not-installed",
    "secret-gone-and-release": "token",
    "secret-volume-gone": "token",
    "registry-away": "127.0.0.1:1",
    "seat-taken": "shop.example.org",
    "label-gone": "node affinity/selector",
    "migration-late": "migrate",
}


@with_cases(*INNOCENT)
def test_people_get_a_next_step_and_no_repair_was_tried(case_run):
    status = case_run.closed()["status"]
    assert status["nextStep"]
    assert not status.get("attempts")


@with_cases(*UNTOUCHED)
def test_the_workload_is_as_its_owner_left_it(case_run):
    assert case_run.live()["spec"] == case_run.broken["spec"]
    assert "prunella.dev/last-action" not in (case_run.live()["metadata"].get("annotations") or {})


@with_cases(*NAMED)
def test_what_is_to_blame_is_named(case_run):
    assert NAMED[case_run.case.name] in case_run.closed()["status"]["message"]


@with_cases(*GUILTY)
def test_a_release_that_is_to_blame_is_taken_back(case_run):
    (attempt,) = case_run.closed()["status"]["attempts"]
    assert (attempt["action"], attempt["verdict"]) == ("RestoreTemplate", "Healed")
    assert template(case_run.live()) == template(case_run.first)


@with_cases("secret-gone-and-release", "secret-volume-gone")
def test_the_value_of_a_secret_is_not_shown(case_run):
    assert "hunter2" not in str(case_run.closed()["status"])
