"""What others broke, what people do, and noise: Prunella tells, waits, or sees nothing at all."""

import pytest
from support import cases_innocent
from support.looks import play

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480, func_only=True)]

TOLD = [case.name for case in cases_innocent.CASES if case.reason in {"InnocentRelease", "NoKnownGoodRevision"}]
UNSEEN = [case.name for case in cases_innocent.CASES if case.phase is None]


@play(*TOLD, *UNSEEN)
def test_the_workload_is_as_its_owner_left_it(scene):
    assert scene.live()["spec"] == scene.broken["spec"] or scene.case.then
    assert "prunella.dev/last-action" not in (scene.live()["metadata"].get("annotations") or {})


@play(*TOLD)
def test_a_person_gets_words_to_go_on_with(scene):
    status = scene.closed()["status"]
    words = {
        "data-gone": 'configmap "recommendations" not found',
        "key-gone": "couldn't find key TOKEN",
        "account-gone": 'serviceaccount "shop" not found',
        "node-changed": "node affinity/selector",
        "quota-lowered": "exceeded quota",
        "quota-spent": "exceeded quota",
        "first-node": "node affinity/selector",
        "first-not-allowed": "violates PodSecurity",
    }.get(scene.case.name, "")
    assert words in status["message"]
    assert status["nextStep"]


@play("put-back", "put-back-at-once")
def test_what_the_owner_put_back_stays(scene):
    scene.closed()
    env = scene.live()["spec"]["template"]["spec"]["containers"][0]["env"]
    assert env == [{"name": "SHOP_REQUIRE_ENV", "value": "PAYMENT_TOKEN"}]
    assert "put back" in scene.closed()["status"]["message"]


@play("fixed-meanwhile")
def test_the_fix_of_a_person_stays(scene):
    scene.closed()
    labels = scene.live()["spec"]["template"]["metadata"]["labels"]
    assert labels["app.kubernetes.io/version"] == "3"
