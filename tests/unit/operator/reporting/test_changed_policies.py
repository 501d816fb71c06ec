"""Replays with other policies: replaced, added, of other namespaces and selectors; and files that are refused."""

from dataclasses import replace
from pathlib import Path

import pytest

from prunella_operator.json_text import InvalidFile
from prunella_operator.reporting.changed_policies import parse_policies
from prunella_operator.reporting.recorded_incident import parse_recorded
from prunella_operator.reporting.replay import replay, replay_with
from prunella_workflows.decisions import playbooks
from prunella_workflows.model.outcome import Cause
from prunella_workflows.model.plan import Plan

FOLDER = Path(__file__).parents[3] / "decisions"


def recorded(*names):
    return [parse_recorded((FOLDER / f"{name}.json").read_text(encoding="utf-8"), name) for name in names]


def policy(spec, name="shop", kind="HealingPolicy", namespace="shop"):
    return f"kind: {kind}\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {spec}\n"


def outcomes(text, *names):
    """The outcomes that differ, by incident."""
    changed = replay_with(recorded(*names), parse_policies(text, "new.yaml").apply)
    return {change.incident.removeprefix("shop/"): change.after for change in changed.changes}


RAISE = "pod_oom_killed: set the memory limit of container app from 64Mi to 128Mi"


def test_heal_instead_of_observe_shows_the_repair():
    names = ("oom-kill-in-observe", "oom-kill", "bad-release-while-frozen")
    assert outcomes(policy("{mode: Heal}"), *names) == {
        "oom-kill-in-observe": RAISE,
        "bad-release-while-frozen": "bad_release: roll back to revision 1 (registry.example/web:1)",
    }


def test_another_version_makes_no_difference_by_itself(monkeypatch):
    """Both outcomes are those of this version, whatever the one that recorded them decided."""

    def lazy(_case):
        return Plan(reason="TooLazy", message="No.")

    lazier = [replace(one, plan=lazy) if one.cause is Cause.POD_OOM_KILLED else one for one in playbooks.PLAYBOOKS]
    monkeypatch.setattr(playbooks, "PLAYBOOKS", tuple(lazier))
    assert len(replay(recorded("oom-kill")).changes) == 1
    assert outcomes(policy("{grace: 5s}", name="z"), "oom-kill") == {}


def test_a_policy_of_another_name_is_merged_with_the_recorded_one():
    assert outcomes(policy("{grace: 5s}", name="z"), "oom-kill") == {}
    (after,) = outcomes(policy("{mode: Observe}", name="z"), "oom-kill").values()
    assert after.startswith("pod_oom_killed: only show (Mode: ")
    assert after.endswith("instead of: set the memory limit of container app from 64Mi to 128Mi")


@pytest.mark.parametrize(
    "text",
    [
        policy("{mode: Observe}", namespace="other"),
        policy("{mode: Observe, selector: {matchLabels: {app: other}}}", name="z"),
        policy("{mode: Observe, namespaceSelector: {matchLabels: {team: other}}}", kind="ClusterHealingPolicy"),
        policy("{mode: Observe}", kind="ClusterHealingPolicy"),
    ],
    ids=["another namespace", "another workload", "another team", "less specific than the recorded one"],
)
def test_a_policy_that_does_not_decide_changes_nothing(text):
    assert outcomes(text, "oom-kill") == {}


def test_a_cluster_policy_counts_for_what_no_other_sets():
    text = policy("{rollback: Freeze, approval: {when: Always}}", kind="ClusterHealingPolicy", name="all")
    assert set(outcomes(text, "oom-kill", "bad-release", "missing-secret")) == {"oom-kill", "bad-release"}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("mode: [", "new.yaml: while parsing a flow"),
        ("", "new.yaml: there is no policy in it"),
        ("kind: Deployment", "new.yaml: document 1: expected a policy"),
        ("kind: HealingPolicy", "new.yaml: document 1: expected metadata.name"),
        (policy("{mode: Fix}"), "new.yaml: document 1: policy shop: spec.mode: Input should be"),
        (policy("{mode: Heal}") + "---\n" + policy("{grace: soon}"), "document 2: policy shop: spec.grace: "),
        (policy("{limits: {memorymax: 1Gi}}"), "document 1: spec.limits.memorymax: there is no such field"),
        (policy("{escalation: {ticket: ../x}}"), "document 1: policy shop: spec.escalation: "),
    ],
)
def test_files_that_are_refused(text, error):
    with pytest.raises(InvalidFile, match=r"^new\.yaml") as raised:
        parse_policies(text, "new.yaml")
    assert error in str(raised.value)
