"""Evictions in a row are a fault: of the release if it outgrew its own limits, of the node otherwise."""

import pytest
from builders import a_deployment, a_pod, a_policy, ago, an_evidence, the_history

from prunella_workflows.decisions import playbooks
from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.diagnosis.symptoms import Kind
from prunella_workflows.decisions.verification.confirmation import confirm
from prunella_workflows.model.evidence import EventView
from prunella_workflows.model.outcome import Cause, Presence

OWN = 'Usage of EmptyDir volume "cache" exceeds the limit "10Mi". '
OF_NODE = "The node was low on resource: memory. "


def evicted(minutes, why=OF_NODE, lived=2.0, **values):
    """A pod of the current revision that was evicted so many minutes ago."""
    times = {"created_at": ago(60 * (minutes + lived)), "evicted_at": ago(60 * minutes)}
    return a_pod(f"web-2-{minutes}", **{"phase": "Failed", "ready": False, "evicted": why, **times, **values})


def seen(*pods, **values):
    return Findings(an_evidence(a_pod("web-2-now"), *pods, workload=a_deployment(), **values))


def test_three_in_a_row_are_a_fault_although_the_next_pod_runs():
    findings = seen(evicted(9), evicted(6), evicted(3))
    (failure,) = findings.current_failures
    assert (failure.kind, "web-2-3" in failure.message) == (Kind.EVICTED, True)
    assert confirm(findings, a_policy()).presence is Presence.FAILING


@pytest.mark.parametrize(
    "pods",
    [
        pytest.param([evicted(3)], id="one"),
        pytest.param([evicted(minutes, lived=60) for minutes in (9, 6, 3)], id="pods of the same time"),
        pytest.param([evicted(minutes) for minutes in (29, 26, 23)], id="over"),
        pytest.param([evicted(minutes, revision="other") for minutes in (9, 6, 3)], id="of another revision"),
    ],
)
def test_others_are_none(pods):
    assert seen(*pods).failures == ()


@pytest.mark.parametrize("why", [OWN, "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi. "])
def test_a_new_release_that_outgrows_its_own_limits_is_to_blame(why):
    pods = [evicted(minutes, why) for minutes in (9, 6, 3)]
    findings = Findings(an_evidence(*pods, workload=a_deployment(), revisions=the_history()))
    assert playbooks.decide(findings, a_policy())[0].cause is Cause.BAD_RELEASE


def test_a_node_that_lacks_something_is_to_blame_for_its_evictions():
    findings = seen(evicted(9), evicted(6), evicted(3), revisions=the_history())
    assert playbooks.decide(findings, a_policy())[0].cause is Cause.NODE_PRESSURE


def test_the_kubelets_event_says_why_when_the_status_has_lost_it():
    pods = [evicted(minutes, "its kubelet ended it") for minutes in (9, 6, 3)]
    events = (EventView(about="web-2-3", reason="Evicted", message=OWN),)
    findings = Findings(an_evidence(*pods, workload=a_deployment(), revisions=the_history(), events=events))
    assert playbooks.decide(findings, a_policy())[0].cause is Cause.BAD_RELEASE
