"""Bad releases in all their forms: what must be seen besides the end of their incidents."""

import pytest
from support import cases_releases
from support.looks import play, template

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480, func_only=True)]

ROLLED_BACK = [case.name for case in cases_releases.CASES if case.cause == "bad_release"]


@play(*ROLLED_BACK)
def test_the_last_good_template_is_back_and_runs(scene):
    (attempt,) = scene.closed()["status"]["attempts"]
    assert (attempt["action"], attempt["verdict"]) == ("RestoreTemplate", "Healed")
    live = scene.live()
    assert template(live) == template(scene.first)
    assert live["spec"] == {**scene.broken["spec"], "template": template(scene.first)}


@play("no-such-claim", "no-such-node", "too-large", "not-allowed", "over-quota", "no-such-volume")
def test_the_words_of_who_refused_it_are_shown(scene):
    words = {
        "no-such-claim": 'persistentvolumeclaim "not-there" not found',
        "no-such-node": "didn't match Pod's node affinity/selector",
        "too-large": "Insufficient cpu",
        "not-allowed": "violates PodSecurity",
        "over-quota": "exceeded quota: bounds",
        "no-such-volume": 'configmap "not-there" not found',
    }[scene.case.name]
    decided = [one["message"] for one in scene.closed()["status"]["evidence"] if one["source"] == "Decided by"]
    assert any(words in one for one in decided), decided


@play("leaking-release")
def test_a_leak_that_came_with_a_release_goes_with_it(scene):
    actions = [(attempt["action"], attempt["verdict"]) for attempt in scene.closed()["status"]["attempts"]]
    assert actions == [("SetMemory", "NotHealed"), ("SetMemory", "NotHealed"), ("RestoreTemplate", "Healed")]
    assert template(scene.live()) == template(scene.first)
