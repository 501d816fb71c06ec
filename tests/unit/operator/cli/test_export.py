"""`prunella incidents export --since`: one file for each incident, whole or not at all, and never over another one."""

import json
from pathlib import Path

import pytest

from prunella_operator import clock
from prunella_operator.cli import exported_files, output
from prunella_operator.cli.exported_files import write_text
from prunella_operator.json_text import InvalidFile
from prunella_operator.reporting.recorded_histories import opened_since
from prunella_operator.reporting.recorded_incident import parse_recorded
from prunella_operator.reporting.report import parse_start
from prunella_workflows.model.incident import IncidentRef

FOLDER = Path(__file__).parents[3] / "decisions"
RECORDED = parse_recorded((FOLDER / "oom-kill.json").read_text(encoding="utf-8"), "oom-kill.json")


def an_incident(namespace, name, uid):
    return RECORDED.model_copy(update={"incident": IncidentRef(namespace=namespace, name=name, uid=uid)})


FOUND = [an_incident("shop", "web", "u1"), an_incident("shop", "web", "u2"), an_incident("billing", "api", "u3")]


@pytest.fixture
def run(prunella, tmp_path, monkeypatch):
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now)
    prunella.recorded = {opened_since(parse_start("30d", now)): FOUND}
    return lambda *options: prunella("incidents", "export", "--since", "30d", "--to", str(tmp_path / "to"), *options)


def files(tmp_path):
    return {str(path.relative_to(tmp_path / "to")) for path in (tmp_path / "to").rglob("*") if path.is_file()}


def message(result):
    return " ".join(result.stderr.replace("│", " ").split())


def test_each_incident_is_a_file_that_a_replay_reads(prunella, run, tmp_path):
    result = run()
    assert (result.exit_code, result.stdout) == (0, f"3 incidents exported to {tmp_path / 'to'}\n")
    assert files(tmp_path) == {"shop/web-u1.json", "shop/web-u2.json", "billing/api-u3.json"}
    assert (tmp_path / "to" / "shop" / "web-u2.json").read_text(encoding="utf-8") == FOUND[1].to_json()
    assert prunella("replay", str(tmp_path / "to")).exit_code == 0


def test_only_one_namespace(run, tmp_path):
    assert run("-n", "billing").exit_code == 0
    assert files(tmp_path) == {"billing/api-u3.json"}


def test_a_later_export_replaces_the_earlier_one(run, tmp_path):
    assert run().exit_code == 0
    known = tmp_path / "to" / "shop" / "web-u1.json"
    known.write_text(json.dumps({**json.loads(known.read_text()), "status": {"phase": "Healed"}}))
    assert run().exit_code == 0
    assert known.read_text(encoding="utf-8") == FOUND[0].to_json()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("my notes", "line 1, column 1: Expecting value; it would be overwritten, so nothing was written"),
        ('{"format": "another"}', "this is no exported incident"),
        (FOUND[0].to_json(), "this is another incident than billing/api; nothing was written"),
    ],
)
def test_a_foreign_file_is_never_overwritten_and_nothing_else_is_written(run, tmp_path, text, reason):
    foreign = tmp_path / "to" / "billing" / "api-u3.json"
    foreign.parent.mkdir(parents=True)
    foreign.write_text(text, encoding="utf-8")
    result = run()
    assert (result.exit_code, result.stdout) == (2, "")
    assert reason in message(result)
    assert foreign.read_text(encoding="utf-8") == text
    assert files(tmp_path) == {"billing/api-u3.json"}


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("web", "--since", "30d", "--to", "x"),
        ("--since", "30d"),
        ("--to", "x"),
        ("web", "--to", "x"),
    ],
)
def test_one_incident_or_all_of_a_time(prunella, options):
    result = prunella("incidents", "export", *options)
    assert result.exit_code == 2
    assert "name one incident, or pass both --since and --to" in message(result)


def test_long_work_says_how_far_it_is(run, monkeypatch):
    monkeypatch.setattr(output, "_PROGRESS_SECONDS", 0.0)
    assert run().stderr.splitlines() == ["3 of 3 incidents", "1 of 3 files", "2 of 3 files", "3 of 3 files"]


def test_short_work_says_nothing(run):
    assert run().stderr == ""


def test_a_file_that_cannot_be_written_whole_is_not_there(tmp_path, monkeypatch):
    file = tmp_path / "one.json"
    file.write_text("before")
    written = []

    def full(path, text, **_):
        written.append(path)
        with path.open("w") as half:
            half.write(text[:3])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exported_files.Path, "write_text", full)
    with pytest.raises(InvalidFile, match=r"one\.json: No space left on device"):
        write_text(file, "after")
    assert [path.name for path in tmp_path.iterdir()] == ["one.json"]
    assert file.read_text() == "before"
    assert written != [file]
