"""Faults of others, actions of people, and noise: Prunella notifies, waits, or ignores them."""

import pytest
from support.cases import innocent
from support.cases.inspection import with_cases

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480, func_only=True)]

_TOLD = {"AdmissionRefused", "ConfigMissing", "ImageUnavailable", "InnocentRelease", "QuotaExceeded", "Unschedulable"}
TOLD = [case.name for case in innocent.CASES if case.reason in _TOLD]
UNSEEN = [case.name for case in innocent.CASES if case.phase is None]


@with_cases(*TOLD, *UNSEEN)
def test_the_workload_is_as_its_owner_left_it(case_run):
    assert case_run.live()["spec"] == case_run.broken["spec"] or case_run.case.then
    assert "prunella.dev/last-action" not in (case_run.live()["metadata"].get("annotations") or {})


@with_cases(*TOLD)
def test_a_person_gets_words_to_go_on_with(case_run):
    status = case_run.closed()["status"]
    words = {
        "data-gone": 'configmap "recommendations" not found',
        "key-gone": "couldn't find key TOKEN",
        "account-gone": 'serviceaccount "shop" not found',
        "node-changed": "node affinity/selector",
        "quota-lowered": "exceeded quota",
        "quota-spent": "exceeded quota",
        "first-node": "node affinity/selector",
        "first-not-allowed": "violates PodSecurity",
    }.get(case_run.case.name, "")
    assert words in status["message"]
    assert status["nextStep"]


@with_cases("put-back", "put-back-at-once")
def test_what_the_owner_put_back_stays(case_run):
    case_run.closed()
    env = case_run.live()["spec"]["template"]["spec"]["containers"][0]["env"]
    assert env == [{"name": "SHOP_REQUIRE_ENV", "value": "PAYMENT_TOKEN"}]
    assert "reverted" in case_run.closed()["status"]["message"]


@with_cases("fixed-meanwhile")
def test_the_fix_of_a_person_stays(case_run):
    case_run.closed()
    labels = case_run.live()["spec"]["template"]["metadata"]["labels"]
    assert labels["app.kubernetes.io/version"] == "3"
