"""`prunella incidents export` and `prunella replay`: what they print, and their exit codes."""

import json
from pathlib import Path

import pytest

from prunella_operator.reporting.recorded_histories import of_incident, opened_since
from prunella_operator.reporting.recorded_incident import parse_recorded
from prunella_operator.reporting.report import parse_start
from prunella_workflows.model.outcome import Cause

FOLDER = Path(__file__).parents[3] / "decisions"
TEXT = (FOLDER / "oom-kill.json").read_text(encoding="utf-8")
RECORDED = parse_recorded(TEXT, "oom-kill.json")


@pytest.fixture
def copy(tmp_path):
    path = tmp_path / "one.json"
    path.write_text(TEXT, encoding="utf-8")
    return path


def changed(text=TEXT):
    """The same facts with another decision."""
    value = json.loads(text)
    value["diagnoses"][0]["report"]["diagnosis"]["cause"] = Cause.HIGH_CPU
    return json.dumps(value)


def test_an_export_is_what_a_replay_reads(prunella, make):
    prunella.reader.raw = [make("web-oom")]
    prunella.recorded = {of_incident("uid-web-oom"): [RECORDED]}
    assert prunella("incidents", "export", "web-oom").stdout == TEXT


def test_an_incident_that_temporal_has_forgotten(prunella, make):
    prunella.reader.raw = [make("web-oom")]
    prunella.recorded = {of_incident("uid-web-oom"): []}
    result = prunella("incidents", "export", "web-oom")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "its retention is over" in result.stderr


def test_unchanged_decisions(prunella):
    result = prunella("replay", str(FOLDER / "oom-kill.json"), str(FOLDER / "oom-kill-again.json"))
    assert (result.exit_code, result.stdout) == (0, "0 of 3 decisions of 2 incidents differ\n")


def test_a_changed_decision_is_shown_and_fails(prunella, copy):
    copy.write_text(changed(), encoding="utf-8")
    result = prunella("replay", str(copy.parent))
    assert result.exit_code == 3
    assert result.stdout.splitlines() == [
        "shop/oom-kill, diagnosis 1:",
        "  was high_cpu: set the memory limit of container app from 64Mi to 128Mi",
        "  now pod_oom_killed: set the memory limit of container app from 64Mi to 128Mi",
        '    diagnosis.cause: "high_cpu" -> "pod_oom_killed"',
        "1 of 1 decisions of 1 incidents differ",
    ]
    printed = json.loads(prunella("replay", "-o", "json", str(copy)).stdout)
    assert [change["incident"] for change in printed["changes"]] == ["shop/oom-kill"]


def test_an_update_writes_the_decisions_of_this_version(prunella, copy):
    copy.write_text(changed(), encoding="utf-8")
    assert prunella("replay", "--update", str(copy)).exit_code == 0
    assert copy.read_text(encoding="utf-8") == TEXT


def test_the_incidents_of_a_period(prunella, monkeypatch):
    now = RECORDED.opened_at
    monkeypatch.setattr("prunella_operator.clock.now", lambda: now)
    prunella.recorded = {opened_since(parse_start("30d", now)): [RECORDED]}
    assert prunella("replay", "--since", "30d").stdout == "0 of 1 decisions of 1 incidents differ\n"
    assert prunella("replay", "--since", "30d", "-n", "other").stdout == "0 of 0 decisions of 0 incidents differ\n"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        pytest.param(TEXT[:200], "one.json: line ", id="truncated"),
        pytest.param('{"kind": "List"}', "one.json: this is no exported incident", id="foreign"),
        pytest.param("[]", "one.json: this is no exported incident", id="no object"),
        pytest.param(
            TEXT.replace('"read', '"red'), "diagnoses.0.facts.evidence.readAt: Field required", id="incomplete"
        ),
        pytest.param("\ud800", "one.json", id="no text"),
    ],
)
def test_bad_files_are_wrong_usage_with_the_place(prunella, copy, text, place):
    copy.write_text(text, encoding="utf-8", errors="surrogatepass")
    good = copy.with_name("a.json")
    good.write_text(changed(), encoding="utf-8")
    result = prunella("replay", str(copy.parent))
    assert (result.exit_code, result.stdout) == (2, "")
    assert place.replace(" ", "") in "".join(result.stderr.replace("│", " ").split())  # a long path is broken anywhere


def test_another_policy_shows_what_would_go_another_way_and_is_no_failure(prunella, tmp_path):
    policy = tmp_path / "new.yaml"
    policy.write_text("kind: HealingPolicy\nmetadata: {name: shop}\nspec: {mode: Heal}\n", encoding="utf-8")
    result = prunella("replay", "--policy", str(policy), str(FOLDER / "oom-kill-in-observe.json"))
    assert result.exit_code == 0
    assert [line.split(" (")[0] for line in result.stdout.splitlines()] == [
        "shop/oom-kill-in-observe, diagnosis 1:",
        "  was pod_oom_killed: only show",
        "  now pod_oom_killed: set the memory limit of container app from 64Mi to 128Mi",
        "1 of 1 decisions of 1 incidents differ",
    ]
    policy.write_text("kind: List\n", encoding="utf-8")
    refused = prunella("replay", "--policy", str(policy), str(FOLDER))
    assert (refused.exit_code, refused.stdout) == (2, "")


@pytest.mark.parametrize(
    "arguments", [(), ("--since", "30d", str(FOLDER)), ("--since", "30d", "--update"), ("--since", "soon")]
)
def test_wrong_usage(prunella, arguments):
    assert prunella("replay", *arguments).exit_code == 2


def test_an_empty_folder_is_wrong_usage(prunella, tmp_path):
    assert "no exported incident in" in prunella("replay", str(tmp_path)).stderr
