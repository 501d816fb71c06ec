"""Programs that tests need: a missing one skips the test, and fails it where CI=true."""

import pytest
from localcluster.console import ClusterError
from support import programs
from telemetrystack import postgresql


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """A machine without Go, Java and PostgreSQL."""
    monkeypatch.setattr(programs.shutil, "which", lambda _name: None)
    monkeypatch.setattr(postgresql, "_DEBIAN", tmp_path)
    monkeypatch.setattr(postgresql, "_COMMON", tmp_path / "common")
    monkeypatch.setattr(postgresql.tools, "install", _not_possible)
    monkeypatch.setattr(programs.jars, "found", lambda _name: False)
    monkeypatch.delenv("CI", raising=False)


def _not_possible(*packages):
    raise ClusterError(f"please install {' '.join(packages)}")


@pytest.mark.parametrize("ask", [lambda: programs.program("promtool"), programs.postgresql, programs.kafka])
def test_what_is_missing_is_a_skip_here_and_a_failure_in_ci(bare, monkeypatch, ask):
    with pytest.raises(pytest.skip.Exception, match="there is no"):
        ask()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="there is no"):
        ask()


def test_debians_newest_postgresql_is_taken(bare, tmp_path):
    for version in ("9", "15", "16"):
        (folder := tmp_path / version / "bin").mkdir(parents=True)
        (folder / "initdb").touch()
    assert programs.postgresql() == tmp_path / "16" / "bin"


def test_postgresql_is_installed_where_that_may_be_done(bare, monkeypatch, tmp_path):
    def install(*_):
        (folder := tmp_path / "15" / "bin").mkdir(parents=True)
        (folder / "initdb").touch()

    monkeypatch.setattr(postgresql.tools, "install", install)
    monkeypatch.setattr(postgresql.os, "geteuid", lambda: 0)
    assert programs.postgresql() == tmp_path / "15" / "bin"
    assert "create_main_cluster = false" in (tmp_path / "common" / "createcluster.conf").read_text()
