"""What looks like another fault, and repairs in odd circumstances: what must be seen besides the end of incidents."""

import pytest
from support import cases_bystanders, cases_oddities, cases_traps
from support.looks import limits, play, template

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480, func_only=True)]

ALONE = (*cases_traps.CASES, *cases_bystanders.CASES)
UNTOUCHED = [one.name for one in ALONE if not one.writes and not one.name.endswith("-meanwhile")]
OTHERS = {"oom-drags-another", "scaled-meanwhile"}
ROLLED_BACK = ["evicted-before", *(case.name for case in cases_oddities.CASES if case.name not in OTHERS)]


@play(*UNTOUCHED)
def test_the_workload_is_as_its_owner_left_it(scene):
    assert scene.live()["spec"] == scene.broken["spec"]
    assert "prunella.dev/last-action" not in (scene.live()["metadata"].get("annotations") or {})


@play(*ROLLED_BACK)
def test_the_last_good_template_is_back(scene):
    (attempt,) = scene.closed()["status"]["attempts"]
    assert (attempt["action"], attempt["verdict"]) == ("RestoreTemplate", "Healed")
    assert template(scene.live()) == template(scene.first)


@play("scaled-meanwhile")
def test_replicas_that_a_person_set_stay(scene):
    scene.closed()
    live = scene.live()
    assert live["spec"]["replicas"] == 2
    assert template(live) == template(scene.first)


@play("changed-again")
def test_both_bad_releases_are_gone(scene):
    scene.closed()
    first, second = scene.incidents()
    assert (second["status"]["phase"], second["status"]["reason"]) == ("Healed", "Stable")
    assert template(scene.live()) == template(scene.first)
    assert first["status"]["attempts"][0]["verdict"] == "Inconclusive"


@play("good-release-gone")
def test_a_good_release_that_cannot_run_any_more_is_not_left_behind(scene):
    (attempt,) = scene.closed()["status"]["attempts"]
    assert (attempt["action"], attempt["verdict"], attempt["undone"]) == ("RestoreTemplate", "NotHealed", True)
    assert template(scene.live()) == template(scene.broken)
    assert 'configmap "settings-1" not found' in str(scene.closed()["status"]["attempts"])


@play("limit-put-back")
def test_the_limit_that_somebody_holds_stays(scene):
    scene.closed()
    assert limits(scene.live()) == {"server": "64Mi"}


@play("oom-default-limit")
def test_a_limit_from_elsewhere_is_named(scene):
    assert "its pods got 64Mi from elsewhere" in scene.closed()["status"]["message"]


@play("oom-disruption")
def test_the_disruption_budget_is_named(scene):
    assert "PodDisruptionBudget/recommendations" in scene.closed()["status"]["message"]


@play("oom-drags-another")
def test_only_the_container_that_was_short_of_memory_gets_more(scene):
    scene.closed()
    assert limits(scene.live()) == {"server": "64Mi", "cache": "128Mi"}
