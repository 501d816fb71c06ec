"""Property of others is left to them, and they are named."""

import pytest
from support.cases import owners
from support.cases.inspection import limits, with_cases

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480, func_only=True)]

HELD = [case.name for case in owners.CASES if case.phase == "Escalated"]
NAMED = {
    "custom-owner": "Shop/ours",
    "custom-owner-oom": "Shop/ours",
    "kapp": "kapp",
    "terraform-oom": "Terraform",
    "partition-holds": "partition",
    "budget-used-up": "PodDisruptionBudget/recommendations",
}


@with_cases(*HELD)
def test_the_workload_is_as_its_owner_left_it(case_run):
    status = case_run.closed()["status"]
    assert case_run.live()["spec"] == case_run.broken["spec"]
    assert status["nextStep"]
    assert not status.get("attempts")


@with_cases(*NAMED)
def test_the_owner_is_named(case_run):
    assert NAMED[case_run.case.name] in case_run.closed()["status"]["message"]


@with_cases("singleton-oom", "partition-lets-through", "budget-used-up-but-surge", "budget-kept-in-order")
def test_a_repair_that_costs_nobody_anything_is_made(case_run):
    case_run.closed()
    assert limits(case_run.live()) == {"server": "128Mi"}
