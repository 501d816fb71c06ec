"""`prunella telemetry`: the wing is imported only by its commands, and says what is missing."""

import sys


def test_a_worker_of_the_pipeline_runs_nothing_else(prunella):
    assert prunella("telemetry", "worker", "--temporal-address", "t:1").exit_code == 0
    ((_, *others),) = prunella.runs
    assert prunella.telemetry
    assert not any(others)


def test_without_the_extra_it_says_what_to_install(prunella, monkeypatch):
    monkeypatch.setitem(sys.modules, "polars", None)
    for name in [name for name in sys.modules if name.startswith("prunella_operator.telemetry")]:
        monkeypatch.delitem(sys.modules, name)
    result = prunella("telemetry", "worker", "--temporal-address", "t:1")
    assert result.exit_code == 1
    assert "pip install 'prunella[telemetry]'" in result.stderr


def test_without_a_database_it_names_the_setting(prunella):
    result = prunella("telemetry", "status")
    assert result.exit_code == 1
    assert "telemetry_database_url_file" in result.stderr
