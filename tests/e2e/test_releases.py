"""Bad releases in all their forms: what must be seen besides the end of their incidents."""

import pytest
from support.cases import releases
from support.cases.inspection import template, with_cases

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480, func_only=True)]

ROLLED_BACK = [case.name for case in releases.CASES if (case.phase, case.cause) == ("Healed", "bad_release")]


@with_cases(*ROLLED_BACK)
def test_the_last_good_template_is_back_and_runs(case_run):
    (attempt,) = case_run.closed()["status"]["attempts"]
    assert (attempt["action"], attempt["verdict"]) == ("RestoreTemplate", "Healed")
    live = case_run.live()
    assert template(live) == template(case_run.first)
    assert live["spec"] == {**case_run.broken["spec"], "template": template(case_run.first)}


@with_cases("no-such-claim", "no-such-node", "too-large", "not-allowed", "over-quota", "no-such-volume")
def test_the_words_of_who_refused_it_are_shown(case_run):
    words = {
        "no-such-claim": 'persistentvolumeclaim "not-there" not found',
        "no-such-node": "didn't match Pod's node affinity/selector",
        "too-large": "Insufficient cpu",
        "not-allowed": "violates PodSecurity",
        "over-quota": "exceeded quota: bounds",
        "no-such-volume": 'configmap "not-there" not found',
    }[case_run.case.name]
    decided = [note["message"] for note in case_run.closed()["status"]["evidence"] if note["source"] == "Decided by"]
    assert any(words in message for message in decided), decided


@with_cases("leaking-release")
def test_a_leak_that_came_with_a_release_goes_with_it(case_run):
    actions = [(attempt["action"], attempt["verdict"]) for attempt in case_run.closed()["status"]["attempts"]]
    assert actions == [("SetMemory", "NotHealed"), ("SetMemory", "NotHealed"), ("RestoreTemplate", "Healed")]
    assert template(case_run.live()) == template(case_run.first)


@with_cases("init-hangs")
def test_an_init_container_that_runs_is_not_cut_off(case_run):
    status = case_run.closed()["status"]
    assert case_run.live()["spec"] == case_run.broken["spec"]
    assert "prepare" in status["message"]
    assert not status.get("attempts")
