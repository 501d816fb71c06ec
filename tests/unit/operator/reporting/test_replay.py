"""Recorded decisions are made again and differ in nothing; a changed playbook shows exactly which ones change."""

from dataclasses import replace
from pathlib import Path

import pytest

from prunella_operator.reporting.recorded_incident import parse_recorded
from prunella_operator.reporting.replay import decide_again, replay
from prunella_workflows.decisions import playbooks
from prunella_workflows.model.outcome import Cause
from prunella_workflows.model.plan import Plan

FOLDER = Path(__file__).parents[3] / "decisions"
FILES = sorted(FOLDER.rglob("*.json"))


@pytest.fixture(scope="module")
def recorded():
    return [parse_recorded(path.read_text(encoding="utf-8"), path.name) for path in FILES]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_recorded_decision_is_the_same_byte_for_byte(path):
    text = path.read_text(encoding="utf-8")
    incident = parse_recorded(text, path.name)
    assert [field for change in replay([incident]).changes for field in change.fields] == []
    assert decide_again(incident).to_json() == text


def test_every_cause_that_is_repaired_has_a_recorded_decision(recorded):
    causes = {diagnosis.report.diagnosis.cause for incident in recorded for diagnosis in incident.diagnoses}
    assert causes >= {
        Cause.POD_OOM_KILLED,
        Cause.BAD_RELEASE,
        Cause.DEPENDENCY_DOWN,
        Cause.NETWORK_TIMEOUT,
        Cause.HIGH_CPU,
        Cause.HIGH_MEMORY,
    }


def test_a_changed_playbook_shows_exactly_the_decisions_that_change(recorded, monkeypatch):
    def lazy(_case):
        return Plan(reason="TooLazy", message="No.")

    lazier = [replace(one, plan=lazy) if one.cause is Cause.HIGH_CPU else one for one in playbooks.PLAYBOOKS]
    monkeypatch.setattr(playbooks, "PLAYBOOKS", tuple(lazier))
    changes = {change.incident: change for change in replay(recorded).changes}
    assert set(changes) == {"shop/high-cpu", "shop/high-cpu-with-an-autoscaler"}
    found = changes["shop/high-cpu"]
    assert found.before == "high_cpu: scale Deployment/web from 3 to 5 replicas"
    assert found.after == "high_cpu: escalate (TooLazy: No.)"
    assert 'plan.reason: "" -> "TooLazy"' in "\n".join(found.fields)


def test_a_diagnosis_without_facts_is_counted_and_skipped(recorded):
    bare = recorded[0].diagnoses[0].model_copy(update={"facts": None})
    result = replay([recorded[0].model_copy(update={"diagnoses": (bare,)})])
    assert (result.incidents, result.decisions, result.skipped, result.changes) == (1, 0, 1, ())
