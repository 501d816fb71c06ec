"""decide(): the order of the playbooks, what was ruled out on the way, and what is left when nothing matches."""

import pytest
from builders import (
    a_crashing_container,
    a_pod,
    a_policy,
    a_restarted_container,
    a_revision,
    ago,
    an_attempt,
    an_evidence,
    an_oom_kill,
    an_unavailable_deployment,
    the_history,
)

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.playbooks import PLAYBOOKS, decide
from prunella_workflows.model.evidence import LogTail
from prunella_workflows.model.outcome import Cause

CRASHING = a_pod("web-2-a", a_crashing_container())
KILLED = a_pod("web-2-a", a_crashing_container(last=an_oom_kill()))


def test_the_order_is_specific_first():
    order = [playbook.cause for playbook in PLAYBOOKS]
    assert set(order) == set(Cause)
    assert order[:4] == [Cause.NODE_LOST, Cause.POD_OOM_KILLED, Cause.DEPENDENCY_DOWN, Cause.BAD_RELEASE]
    assert order[-4:] == [Cause.POD_CRASH_LOOP, Cause.HIGH_CPU, Cause.HIGH_MEMORY, Cause.UNKNOWN]


@pytest.mark.parametrize(
    ("evidence", "cause", "action"),
    [
        pytest.param(
            an_evidence(KILLED, revisions=the_history()),
            Cause.POD_OOM_KILLED,
            "SetMemory",
            id="an OOM kill of a new release is an OOM kill first",
        ),
        pytest.param(
            an_evidence(CRASHING, revisions=the_history(), workload=an_unavailable_deployment()),
            Cause.BAD_RELEASE,
            "RestoreTemplate",
            id="a crash of a new release",
        ),
        pytest.param(
            an_evidence(CRASHING, revisions=the_history(good_at=ago(60))),
            Cause.ENVIRONMENT_CHANGED,
            None,
            id="a crash of an innocent release",
        ),
        pytest.param(
            an_evidence(),
            Cause.UNKNOWN,
            None,
            id="nothing is wrong with the pods",
        ),
    ],
)
def test_decides(evidence, cause, action):
    diagnosis, plan = decide(Findings(evidence), a_policy())
    assert diagnosis.cause is cause
    asked_before = [playbook.cause for playbook in PLAYBOOKS[: [playbook.cause for playbook in PLAYBOOKS].index(cause)]]
    assert [rejection.cause for rejection in diagnosis.rejected] == asked_before
    assert (plan.steps[0].action.kind if plan.steps else None) == action
    assert all(rejection.reason for rejection in diagnosis.rejected)


def test_it_is_the_same_whatever_the_number_of_times():
    evidence = an_evidence(KILLED, revisions=the_history())
    assert decide(Findings(evidence), a_policy()) == decide(Findings(evidence), a_policy())


@pytest.mark.parametrize(
    ("evidence", "reason", "words"),
    [
        pytest.param(
            an_evidence(CRASHING, revisions=the_history(good_at=ago(60))),
            "InnocentRelease",
            "this revision was good before",
            id="an innocent release is never rolled back",
        ),
        pytest.param(
            an_evidence(CRASHING, revisions=(a_revision(1, current=True),)),
            "NoKnownGoodRevision",
            "no earlier revision is known to be good",
            id="the first release ever has nothing to go back to",
        ),
        pytest.param(
            an_evidence(CRASHING, a_pod("web-1-a", a_restarted_container(), revision="1"), revisions=the_history()),
            "InnocentRelease",
            "the good revision fails as well",
            id="the good revision fails as well",
        ),
        pytest.param(an_evidence(), "NoPlaybook", "No playbook recognises this PodCrashLoop", id="unknown"),
    ],
)
def test_hands_over_without_a_write(evidence, reason, words):
    _, plan = decide(Findings(evidence), a_policy())
    assert (plan.steps, plan.reason) == ((), reason)
    assert words in plan.message
    assert plan.next_step


def test_the_last_words_of_the_container_are_quoted():
    logs = (
        LogTail(pod="web-2-a", container="proxy", lines=("no",)),
        LogTail(pod="web-2-a", container="app", lines=("a", "no DB_URL")),
    )
    diagnosis, _ = decide(
        Findings(an_evidence(CRASHING, revisions=the_history(good_at=ago(60)), logs=logs)), a_policy()
    )
    assert 'Last log line: "no DB_URL"' in diagnosis.message


def test_the_ladder_of_a_new_release_that_leaks():
    evidence, tried, kinds = an_evidence(KILLED, revisions=the_history()), [], []
    while steps := decide(Findings(evidence), a_policy(), tuple(tried))[1].steps:
        action = steps[0].action
        kinds.append(f"{action.kind} {action.parameters['to']}")
        tried.append(an_attempt(len(tried) + 1, action=action.kind, to=action.parameters["to"]))
    assert kinds == ["SetMemory 128Mi", "SetMemory 192Mi", "RestoreTemplate revision 1 (registry.example/web:1)"]
